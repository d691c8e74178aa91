import { z } from 'zod';
import { compareHosts, type Difference } from '../../request/compare-hosts.ts';
import { frameUntrusted } from '../../request/frame.ts';
import { factScalar } from '../schemas.ts';
import { defineTool } from '../tool.ts';
import { anyDiagnosticInput, lookWithProgress } from './diagnostic.ts';

/** Characters of all differences together. */
const MOST_CHARACTERS = 8_000;

const atHost = z.object({ host: z.string(), value: factScalar });

export const compareHostsTool = defineTool({
  name: 'compare_hosts',
  title: 'Compare hosts',
  description:
    'Runs one diagnostic on several hosts and says only which facts differ, with their values by host and who is unlike the rest. Read-only.',
  risk: 'reads',
  input: anyDiagnosticInput,
  output: z.object({
    summary: z.string(),
    not_compared: z.array(z.object({ host: z.string(), status: z.string() })),
    differences: z.array(
      z.object({
        fact: z.string(),
        values: z.array(atHost),
        absent: z.array(z.string()),
        unlike: z.array(atHost),
        usual: factScalar.nullable(),
      }),
    ),
    left_out: z.array(z.string()),
  }),
  run: async ({ diagnostic, hosts, args }, context) => {
    const report = await lookWithProgress(context, { diagnostic, hosts, args }, { isWhole: true });
    const all = compareHosts(report.results);
    const { shown, leftOut } = fitting(all);
    const failed = report.results.filter(({ status }) => status !== 'ok');
    const text = [
      `${report.summary}. ${String(all.length)} fact(s) differ.`,
      ...failed.map(({ host, status }) => `${host} is not compared: ${status}`),
      ...(shown.length === 0 ? [] : [frameUntrusted('facts that differ', shown.map(lineOf).join('\n'))]),
      ...(leftOut.length === 0 ? [] : [`left out: ${leftOut.join(', ')}; ask for fewer hosts`]),
    ];
    return {
      text: text.join('\n'),
      data: {
        summary: report.summary,
        not_compared: failed.map(({ host, status }) => ({ host, status })),
        differences: shown,
        left_out: leftOut,
      },
    };
  },
});

/** Those with somebody who is unlike the rest first, as far as they fit; names of the others. */
const fitting = (
  all: readonly Difference[],
): { readonly shown: readonly Difference[]; readonly leftOut: readonly string[] } => {
  const ordered = [...all].sort((a, b) => Number(b.unlike.length > 0) - Number(a.unlike.length > 0));
  let left = MOST_CHARACTERS;
  const shown: Difference[] = [];
  const leftOut: string[] = [];
  for (const difference of ordered) {
    left -= lineOf(difference).length + 1;
    if (left >= 0) shown.push(difference);
    else leftOut.push(difference.fact);
  }
  return { shown, leftOut };
};

/** `failed: 0 on h1, h2; 2 on h3 (unlike the rest: h3)` */
const lineOf = ({ fact, values, absent, unlike }: Difference): string => {
  const hostsOf = new Map<string, string[]>();
  for (const { host, value } of values) {
    const key = JSON.stringify(value);
    hostsOf.set(key, [...(hostsOf.get(key) ?? []), host]);
  }
  const said = [...hostsOf].map(([value, hosts]) => `${value} on ${hosts.join(', ')}`);
  if (absent.length > 0) said.push(`absent on ${absent.join(', ')}`);
  const who = unlike.length === 0 ? '' : ` (unlike the rest: ${unlike.map(({ host }) => host).join(', ')})`;
  return `${fact}: ${said.join('; ')}${who}`;
};
