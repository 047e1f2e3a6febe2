// Starts worker.js in a process of its own for host.ts, hands it the channel, and leaves, so that the system and not the
// thread that asked takes note of that process's end. A thread that is terminated takes note of nothing any more: each
// of its child processes would stay in the system's table until the whole program ends.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Where fork() puts the channel. */
const CHANNEL = 3;

spawn(process.execPath, [fileURLToPath(new URL('./worker.js', import.meta.url))], {
  stdio: ['inherit', 'inherit', 'inherit', CHANNEL],
  env: {
    ...process.env,
    NODE_CHANNEL_FD: String(CHANNEL),
    NODE_CHANNEL_SERIALIZATION_MODE: 'advanced',
  },
})
  // The channel shows whether the process runs: it closes with the last process that has it.
  .once('spawn', () => process.exit())
  .once('error', (error) => {
    console.error(`tft-tensorrt: no process for the model: ${error.message}`);
    process.exit(1);
  });
