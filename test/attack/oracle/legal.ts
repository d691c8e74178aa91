import type { LabHost } from '../../lab/lab.ts';

// Which request lines of the reader channel are legal, judged from docs/wire-protocol.md alone and with other means than the wrapper
// and the client: one regular expression a type, no code of theirs.

interface Verb {
  readonly name: string;
  readonly params: readonly { readonly name?: string; readonly type: string; readonly bounds: string }[];
  /** Argument vectors, with placeholders. */
  readonly runs: readonly (readonly string[])[];
}

/** The verb files that a host has. */
export const readVerbs = async (host: LabHost): Promise<readonly Verb[]> => {
  const { stdout } = await host.run([
    '/bin/sh',
    '-c',
    'cd /usr/local/lib/mcp-pra/verbs && for verb in *; do printf "verb\\t%s\\n" "$verb"; cat "$verb"; done',
  ]);
  return stdout
    .split(/^verb\t/mu)
    .slice(1)
    .map((text) => {
      const [name = '', ...rows] = text.split('\n');
      const fields = rows.map((row) => row.split('\t'));
      return {
        name,
        params: fields
          .filter(([key]) => key === 'param')
          .map(([, key = '', type = '', bounds = '']) => ({ name: key, type, bounds })),
        runs: fields.filter(([key]) => key === 'run').map(([, , ...tokens]) => tokens),
      };
    });
};

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const within = (number: number, bounds: string): boolean => {
  const [least, most] = bounds.split('..').map(Number);
  return number >= Number(least) && number <= Number(most);
};

/** Whether a value is of a type; a name may still not be in the host's table. */
const isOfType = (type: string, bounds: string, value: string): boolean => {
  switch (type) {
    case 'unit':
      return (
        value.length <= 96 &&
        new RegExp(`^[A-Za-z0-9][A-Za-z0-9@._:-]*\\.(?:${bounds.replaceAll(',', '|')})(?![^])`, 'u').test(
          value,
        )
      );
    case 'choice':
      return bounds.split(',').includes(value);
    case 'integer':
      return /^(?:0|[1-9]\d{0,8})(?![^])/u.test(value) && within(Number(value), bounds);
    case 'port':
      return /^[1-9]\d{0,4}(?![^])/u.test(value) && Number(value) <= 65_535;
    case 'span':
      return (
        /^[1-9]\d{0,3}[smhd](?![^])/u.test(value) &&
        within(Number(value.slice(0, -1)) * (SECONDS[value.slice(-1)] ?? 0), bounds)
      );
    case 'text': {
      if (!/^(?:[0-9a-f]{2})+(?![^])/u.test(value) || value.length > 2 * Number(bounds)) return false;
      try {
        const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
          Buffer.from(value, 'hex'),
        );
        return !/[\u0000-\u001f\u007f-\u009f]/u.test(text);
      } catch {
        return false;
      }
    }
    default:
      return /^[a-z0-9][a-z0-9_-]{0,31}(?![^])/u.test(value);
  }
};

/** Whether the wrapper may run anything for this line: the verb and its values are all legal. */
export const isLegal = (verbs: readonly Verb[], line: string): boolean => {
  if (line.length > 512 || !/^[!-~]+(?: [!-~]+)*(?![^])/u.test(line) || line.includes('/')) return false;
  const [name, ...values] = line.split(' ');
  if (values.some((value) => value.startsWith('-'))) return false;
  const verb = verbs.find((one) => one.name === name);
  return (
    verb !== undefined &&
    verb.params.length === values.length &&
    verb.params.every(({ type, bounds }, index) => isOfType(type, bounds, values[index] ?? ''))
  );
};

export type { Verb };

const FREE = new Set(['unit', 'choice', 'integer', 'port', 'span', 'text']);
/** Whether the verb of this line takes a name that a host may not have. */
export const hasName = (verbs: readonly Verb[], line: string): boolean =>
  verbs.find(({ name }) => name === line.split(' ')[0])?.params.some(({ type }) => !FREE.has(type)) ?? false;
