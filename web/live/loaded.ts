// Loads the data of one view, and reloads it when something has changed.
import { useEffect, useState } from 'preact/hooks';
import { getJson, RequestError } from './request.js';

export interface Loaded<T> {
  readonly data: T | undefined;
  readonly error: RequestError | undefined;
}

/**
 * The answer of a path. Data stays until newer data arrives, even after an error.
 *
 * @param version the data is reloaded when it changes.
 */
export function useLoaded<T>(path: string, version: unknown): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T> & { path: string }>({
    path,
    data: undefined,
    error: undefined,
  });
  useEffect(() => {
    const controller = new AbortController();
    getJson<T>(path, controller.signal).then(
      (data) => setLoaded({ path, data, error: undefined }),
      (error: unknown) => {
        if (controller.signal.aborted || !(error instanceof RequestError)) return;
        setLoaded((before) => ({ path, data: before.path === path ? before.data : undefined, error }));
      },
    );
    return () => controller.abort();
  }, [path, version]);
  return loaded.path === path ? loaded : { data: undefined, error: undefined };
}
