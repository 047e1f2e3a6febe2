// Which servers belong to this daemon where several share a fleet: decided by the name alone, so that all of them and all
// restarts agree.
import { createHash } from 'node:crypto';
import { TFTError } from '../contract/errors.js';

/**
 * The number of the shard, from 1 to `of`, that a server belongs to. The hash is SHA-256's first 48 bits, so that other
 * programs can compute it: `int(sha256(name).hexdigest()[:12], 16) % of + 1`.
 */
export function shardOf(server: string, of: number): number {
  return (createHash('sha256').update(server).digest().readUIntBE(0, 6) % of) + 1;
}

/** @throws TFTError ERR_TFT_OPTION for a part that the whole has not. */
export function isInShard(shard: string | undefined): (server: string) => boolean {
  if (shard === undefined) return () => true;
  const [part = 0, of = 0] = shard.split('/').map(Number);
  if (!(part >= 1 && part <= of)) {
    throw new TFTError('ERR_TFT_OPTION', `shard: there is no part ${part} of ${of}; write it like 2/8`);
  }
  // Each sample asks; a hash takes a microsecond and more.
  const known = new Map<string, boolean>();
  return (server) => {
    let isMine = known.get(server);
    if (isMine === undefined) {
      isMine = shardOf(server, of) === part;
      if (known.size >= MOST_REMEMBERED) known.clear();
      known.set(server, isMine);
    }
    return isMine;
  };
}

const MOST_REMEMBERED = 1_000_000;
