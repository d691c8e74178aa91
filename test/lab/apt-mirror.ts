import { readdir, readFile } from 'node:fs/promises';
import { capture } from './capture.ts';

/**
 * The first http(s) mirror from which this machine's apt takes `suite` itself (not its updates or security suites),
 * or undefined when it has none: then debootstrap's own default is used.
 * Reads both formats of sources.list(5).
 */
export async function findAptMirror(suite: string): Promise<string | undefined> {
  const folder = '/etc/apt/sources.list.d';
  const names = await readdir(folder).catch(() => []);
  const oneLine = [
    '/etc/apt/sources.list',
    ...names.filter((n) => n.endsWith('.list')).map((n) => `${folder}/${n}`),
  ];
  const deb822 = names.filter((n) => n.endsWith('.sources')).map((n) => `${folder}/${n}`);
  for (const path of deb822) {
    const found = mirrorInDeb822(await readFile(path, 'utf8'), suite);
    if (found !== undefined) return found;
  }
  for (const path of oneLine) {
    const found = mirrorInOneLine(await readFile(path, 'utf8').catch(() => ''), suite);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Mirror of `suite` in the deb822 format: stanzas of `Key: value` lines. */
export function mirrorInDeb822(text: string, suite: string): string | undefined {
  for (const stanza of text.split(/\n\s*\n/)) {
    const words = (key: string): string[] =>
      new RegExp(`^${key}:(.*)$`, 'im').exec(stanza)?.[1]?.trim().split(/\s+/) ?? [];
    if (/^enabled:\s*no\s*$/im.test(stanza) || !words('Types').includes('deb')) continue;
    if (!words('Suites').includes(suite) || !words('Components').includes('main')) continue;
    const mirror = words('URIs').find(isWebAddress);
    if (mirror !== undefined) return mirror;
  }
  return undefined;
}

/** Mirror of `suite` in the one-line format: `deb [options] uri suite component…`. */
export function mirrorInOneLine(text: string, suite: string): string | undefined {
  for (const line of text.split('\n')) {
    const [uri, lineSuite, ...components] =
      /^deb\s+(?:\[[^\]]*\]\s+)?(.*)$/.exec(line.trim())?.[1]?.split(/\s+/) ?? [];
    if (uri !== undefined && isWebAddress(uri) && lineSuite === suite && components.includes('main'))
      return uri;
  }
  return undefined;
}

/** The environment that gives debootstrap's downloads the proxy apt uses, if any. */
export async function aptProxyEnvironment(): Promise<Record<string, string>> {
  const { stdout } = await capture('apt-config', ['shell', 'PROXY', 'Acquire::http::Proxy']);
  const proxy = /^PROXY='(.*)'$/m.exec(stdout)?.[1];
  return proxy === undefined || proxy === '' || proxy === 'DIRECT' ? {} : { http_proxy: proxy };
}

function isWebAddress(uri: string): boolean {
  return /^https?:\/\//.test(uri);
}
