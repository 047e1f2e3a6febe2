// Which C library this system has. Native libraries that are built for glibc do not load with musl, Alpine's.
import { readFileSync } from 'node:fs';

/** Read as detect-libc does it: the program `ldd` of musl is musl itself, that of glibc a script that names it. */
export function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return readFileSync('/usr/bin/ldd', 'latin1').includes('musl');
  } catch {
    return false;
  }
}
