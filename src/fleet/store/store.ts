// The interface of the daemon's stores. A store keeps the closed steps of all servers, the forecasts of these steps at a few
// named horizons, and small records, such as the state of alerts. Two implementations: in memory, and on disk (LMDB).
//
// A step is a number: the time in milliseconds, divided by the length of a step. A server is a number too: its place in
// `servers`, which never changes while the store exists.

/** A server with its newest categories. */
export interface StoredServer {
  readonly name: string;
  readonly profile: string;
  readonly status: string;
}

/** A server in its place. */
export interface PlacedServer {
  readonly place: number;
  readonly server: StoredServer;
}

/** One closed step of all servers that were known by then. */
export interface StoredStep {
  readonly step: number;
  /** `[servers][metrics]`, in the model's order; NaN where a server has no sample in this step. */
  readonly values: Float32Array;
  /** `[servers][categories]`, the model's codes. */
  readonly codes: Int32Array;
}

/** The forecasts of all servers for one step, made `horizon` steps before it. */
export interface StoredForecasts {
  /** The step that was forecast. */
  readonly step: number;
  /** How many steps before it they were made. */
  readonly horizon: number;
  /** `[servers][quantiles]`, sorted and within the range of the target; NaN where none was made. */
  readonly values: Float32Array;
}

/** Small JSON values by key, such as the state of alerts or the sums of scores. They survive a restart. */
export interface StoredRecords {
  get(key: string): unknown;
  /** Resolves when the value is durable. */
  put(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  keys(): readonly string[];
}

/** The part that readers need: the page, alerts, accuracy, backtests. Reads are synchronous and return copies. */
export interface FleetArchive {
  readonly servers: readonly StoredServer[];
  /** The place of a server in `servers`; undefined for one never seen. */
  indexOf(name: string): number | undefined;
  /** Horizons, in steps, of which past forecasts are kept. */
  readonly horizons: readonly number[];
  /** The oldest and the newest closed step; undefined where there is none. */
  readonly range: { readonly oldest: number; readonly newest: number } | undefined;
  /** How many closed steps are kept. */
  readonly steps: number;
  /** One closed step; undefined where it is not kept. Servers that came later are not in it. */
  readStep(step: number): StoredStep | undefined;
  /** One server's values `[to - from][metrics]` of the steps from `from` up to but not including `to`; NaN where there are none. */
  readServer(server: number, from: number, to: number): Float32Array;
  /** The forecasts for a step made `horizon` steps before it; undefined where none are kept. */
  readForecasts(step: number, horizon: number): StoredForecasts | undefined;
  /** One server's forecasts `[to - from][quantiles]` for the steps from `from` up to `to`, made `horizon` steps before; NaN where there are none. */
  readServerForecasts(server: number, horizon: number, from: number, to: number): Float32Array;
  /** Records of one user by its name, such as 'alerts'. */
  records(name: string): StoredRecords;
}

/** A store as the daemon uses it. */
export interface FleetStore extends FleetArchive {
  /** Adds servers in their places, or updates them. An entry without a name frees its place. */
  putServers(servers: readonly PlacedServer[]): Promise<void>;
  /** Stores a closed step, or replaces it. Resolves when it is durable. */
  putStep(step: StoredStep): Promise<void>;
  /** Stores forecasts of a named horizon. Resolves when they are durable. */
  putForecasts(forecasts: StoredForecasts): Promise<void>;
  /** Deletes the steps before this one, and their forecasts. */
  forgetBefore(step: number): Promise<void>;
  /** Bytes on disk; 0 in memory. */
  readonly bytes: number;
  close(): Promise<void>;
}
