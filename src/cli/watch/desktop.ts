import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { CliIo } from '../cli-io.ts';

type Env = CliIo['env'];

const MOST_MS = 5_000;
/** What notify-send needs to find the desktop, and nothing else of this process's environment. */
const PASSED_ON = ['PATH', 'HOME', 'DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY', 'XDG_RUNTIME_DIR', 'LANG'];
const BUS = 'DBUS_SESSION_BUS_ADDRESS';

/**
 * Says a sentence of ours on the desktop of this session, with notify-send where there is one. False when it was not asked: no desktop,
 * a session from elsewhere (whose terminal is told instead), no such program. Whether it came to be seen nobody knows.
 */
export const notifyDesktop = (text: string, env: Env): boolean => {
  const hasDesktop = [BUS, 'DISPLAY', 'WAYLAND_DISPLAY'].some((name) => (env[name] ?? '') !== '');
  if (!hasDesktop || env['SSH_CONNECTION'] !== undefined) return false;
  const program = findProgram('notify-send', env['PATH'] ?? '');
  if (program === undefined) return false;
  const passed = [...PASSED_ON, BUS].flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  const argv = ['--app-name=mcp-pra', '--', 'mcp-pra', text];
  const options = { env: Object.fromEntries(passed), timeout: MOST_MS };
  execFile(program, argv, options, () => undefined).unref();
  return true;
};

/** Only absolute folders: what lies where somebody happens to stand is not started. */
const findProgram = (name: string, path: string): string | undefined =>
  path
    .split(delimiter)
    .filter(isAbsolute)
    .map((dir) => join(dir, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
