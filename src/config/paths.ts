import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/** What paths depend on; injected so that every platform can be tested on any. */
export interface PathContext {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** The context of this process. */
export const processPaths = (): PathContext => ({
  platform: process.platform,
  env: process.env,
  home: homedir(),
});

/** The XDG rule: a relative value is ignored (XDG Base Directory Specification 0.8). */
const absolute = (value: string | undefined): string | undefined =>
  value !== undefined && isAbsolute(value) ? value : undefined;

/** Where the configuration is: XDG, or what Windows and macOS have instead. */
export const configDir = ({ platform, env, home }: PathContext): string => {
  if (platform === 'win32') return join(absolute(env['APPDATA']) ?? join(home, 'AppData/Roaming'), 'mcp-pra');
  const xdg = absolute(env['XDG_CONFIG_HOME']);
  if (platform === 'darwin' && xdg === undefined) return join(home, 'Library/Application Support/mcp-pra');
  return join(xdg ?? join(home, '.config'), 'mcp-pra');
};

/** Where the database and the audit files are. */
export const stateDir = ({ platform, env, home }: PathContext): string => {
  if (platform === 'win32')
    return join(absolute(env['LOCALAPPDATA']) ?? join(home, 'AppData/Local'), 'mcp-pra');
  const xdg = absolute(env['XDG_STATE_HOME']);
  if (platform === 'darwin' && xdg === undefined)
    return join(home, 'Library/Application Support/mcp-pra/state');
  return join(xdg ?? join(home, '.local/state'), 'mcp-pra');
};

/** The configuration file: `--config`, else MCP_PRA_CONFIG, else `mcp-pra.yaml` in the configuration directory. */
export const configPath = (context: PathContext, flag?: string): string => {
  const chosen = flag ?? context.env['MCP_PRA_CONFIG'];
  return chosen === undefined || chosen === '' ? join(configDir(context), 'mcp-pra.yaml') : resolve(chosen);
};

/** A path of the configuration: `~/` is the home directory, everything relative is beside the configuration file. */
export const resolvePath = (written: string, beside: string, home: string): string => {
  if (written === '~') return home;
  if (written.startsWith('~/')) return join(home, written.slice(2));
  return resolve(beside, written);
};
