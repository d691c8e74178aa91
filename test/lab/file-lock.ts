import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Runs `work` while holding an exclusive flock(2) on `path` (created when missing).
 * flock(1) holds it on our behalf for as long as our end of its stdin is open, so a killed holder never leaves a lock.
 * `onWait` is called when another process has it now.
 */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  onWait: () => void = () => {},
): Promise<T> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const holder = spawn('flock', [path, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const closed = once(holder, 'close');
  const waiting = setTimeout(onWait, 1000);
  try {
    const held = await Promise.race([once(holder.stdout, 'data').then(() => true), closed.then(() => false)]);
    if (!held) throw new Error(`flock could not lock ${path}`);
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    await closed;
  }
}
