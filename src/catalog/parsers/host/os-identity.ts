import { outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `os`: os-release(5); `system`: uname -n -r -m; `zone`: where /etc/localtime leads (localtime(5)). */
export const osIdentity: FactParser = (sections) => {
  const os = new Map(
    outputLines(sections.get('os') ?? '')
      .map((line) => /^([A-Z_]{1,40})=(["']?)([^"']*)\2$/u.exec(line))
      .filter((found) => found !== null)
      .map(([, name = '', , value = '']) => [name, value] as const),
  );
  const [hostname, kernel, architecture] = words(sections.get('system')?.trim() ?? '');
  return {
    name: os.get('PRETTY_NAME'),
    id: os.get('ID'),
    id_like: os.get('ID_LIKE'),
    version: os.get('VERSION_ID'),
    codename: os.get('VERSION_CODENAME'),
    hostname,
    kernel,
    architecture,
    timezone: /\/zoneinfo\/(.+)$/u.exec(sections.get('zone')?.trim() ?? '')?.[1],
  };
};
