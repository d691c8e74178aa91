import { z } from 'zod';
import type { Catalog, Diagnostic } from '../../catalog/types.ts';
import { PraError } from '../../errors.ts';
import { cannotAnswer, hostSilent, leftOut } from '../../messages/mcp-en.ts';
import { nearestNames } from '../../nearest.ts';
import { byTopic, inTopic, topicsOf } from '../../catalog/topics.ts';
import { detailParts, overviewText } from '../catalog-overview.ts';
import { detailText } from '../diagnostic-texts.ts';
import { ASKABLE, lackingOn } from '../../request/askable.ts';
import { defineTool, type ToolContext, type ToolOutput } from '../tool.ts';

const word = z.string().min(1).max(40);

export const listDiagnostics = defineTool({
  name: 'list_diagnostics',
  title: 'List diagnostics',
  description:
    'Everything that can be asked of a host, by topic. With topic or names: what each takes and tells. With host: what that host cannot answer.',
  risk: 'reads',
  input: z.strictObject({
    topic: word.optional().describe('One topic of the overview'),
    names: z.array(word).min(1).max(20).optional().describe('Diagnostics to have in detail'),
    host: z.string().min(1).max(64).optional().describe('One host, which is asked'),
  }),
  output: z.object({
    count: z.number().int(),
    topics: z.record(z.string(), z.array(z.string())).optional(),
    diagnostics: z.array(
      z.object({ name: z.string(), title: z.string(), tool: z.boolean(), tier: z.number().int().nullable() }),
    ),
    left_out: z.array(z.string()),
    lacking: z.array(z.object({ diagnostic: z.string(), lacks: z.string() })).optional(),
  }),
  run: async ({ topic, names, host }, context) => {
    const { catalog } = context.desk;
    const listed =
      topic === undefined && names === undefined ? overview(catalog) : details(named(catalog, topic, names));
    return host === undefined ? listed : await withLacking(listed, host, context);
  },
});

/** The same, and what a host cannot answer. Throws what `look` throws; a host that does not answer is said as such. */
const withLacking = async (
  { text, data }: ToolOutput,
  host: string,
  { desk, caller, signal }: ToolContext,
): Promise<ToolOutput> => {
  const { results } = await desk.look(caller, { diagnostic: ASKABLE, hosts: [host], args: {} }, { signal });
  const [result] = results;
  if (result?.status !== 'ok')
    return { text: `${text}\n${hostSilent(host, result?.code ?? result?.status ?? '')}`, data };
  const lacking = lackingOn(desk.catalog, result.facts);
  const words = lacking.map(({ diagnostic, lacks }) => `${diagnostic} (${lacks})`);
  return { text: `${text}\n${cannotAnswer(host, words)}`, data: { ...data, lacking } };
};

const overview = (catalog: Catalog): ToolOutput => {
  const topics = Object.fromEntries(
    [...byTopic(catalog)].map(([topic, found]) => [topic, found.map(({ name }) => name)]),
  );
  return {
    text: overviewText(catalog),
    data: { count: catalog.diagnostics.size, topics, diagnostics: [], left_out: [] },
  };
};

/** Throws DIAGNOSTIC_UNKNOWN, TOPIC_UNKNOWN. */
const named = (
  catalog: Catalog,
  topic: string | undefined,
  names: readonly string[] | undefined,
): readonly Diagnostic[] => {
  const chosen = (names ?? []).map((name) => {
    const found = catalog.diagnostics.get(name);
    if (found !== undefined) return found;
    const near = nearestNames(name, [...catalog.diagnostics.keys()], 8);
    throw new PraError('DIAGNOSTIC_UNKNOWN', { names: near.join(', ') || 'none' });
  });
  if (topic === undefined) return [...new Set(chosen)];
  const found = inTopic(catalog, topic);
  if (found.length === 0)
    throw new PraError('TOPIC_UNKNOWN', { topics: topicsOf(catalog).slice(0, 40).join(', ') });
  return [...new Set([...chosen, ...found])];
};

const details = (diagnostics: readonly Diagnostic[]): ToolOutput => {
  const { shown, left } = detailParts(diagnostics);
  return {
    text: [
      ...shown.map(detailText),
      ...(left.length === 0 ? [] : [leftOut(left, diagnostics.length - shown.length - left.length)]),
    ].join('\n'),
    data: {
      count: diagnostics.length,
      diagnostics: shown.map((one) => ({
        name: one.name,
        title: one.title,
        tool: one.promote,
        tier: one.tier ?? null,
      })),
      left_out: left,
    },
  };
};
