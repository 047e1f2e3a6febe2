// Decides which servers belong to this daemon if several share a fleet. The name alone decides, so all daemons and all restarts
// agree.
import { createHash } from 'node:crypto';
import { TFTError } from '../contract/errors.js';

/**
 * The number of the shard, from 1 to `of`, that a server belongs to. The hash is SHA-256's first 48 bits, so that other
 * programs can compute it: `int(sha256(name).hexdigest()[:12], 16) % of + 1`.
 */
export function shardOf(server: string, of: number): number {
  return (createHash('sha256').update(server).digest().readUIntBE(0, 6) % of) + 1;
}

/** @throws TFTError ERR_TFT_OPTION for a part beyond the number of parts. */
export function isInShard(shard: string | undefined): (server: string) => boolean {
  if (shard === undefined) return () => true;
  const [part = 0, of = 0] = shard.split('/').map(Number);
  if (!(part >= 1 && part <= of)) {
    throw new TFTError('ERR_TFT_OPTION', `shard: there is no part ${part} of ${of}; write it like 2/8`);
  }
  // Cached, because every sample needs it and a hash takes more than a microsecond.
  const known = new Map<string, boolean>();
  return (server) => {
    let isMine = known.get(server);
    if (isMine === undefined) {
      isMine = shardOf(server, of) === part;
      if (known.size >= MAX_REMEMBERED) known.clear();
      known.set(server, isMine);
    }
    return isMine;
  };
}

const MAX_REMEMBERED = 1_000_000;
