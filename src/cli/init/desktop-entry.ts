/**
 * The Claude Desktop entry. Paths are absolute: the client starts servers with another PATH and directory. It passes few
 * variables on, so those that decide where files are go along.
 */
export const desktopEntry = (
  program: { readonly node: string; readonly script: string },
  configPath: string,
  env: Readonly<Record<string, string | undefined>>,
): string => {
  const kept = ['XDG_STATE_HOME', 'XDG_CONFIG_HOME'].flatMap((name) => {
    const value = env[name];
    return value === undefined || value === '' ? [] : [[name, value] as const];
  });
  const entry = {
    command: program.node,
    args: [program.script, 'serve', '--config', configPath],
    ...(kept.length === 0 ? {} : { env: Object.fromEntries(kept) }),
  };
  return JSON.stringify({ mcpServers: { 'mcp-pra': entry } }, null, 2);
};
