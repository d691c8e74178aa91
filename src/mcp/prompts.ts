import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { GetPromptRequestSchema, ListPromptsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import type { Catalog } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { compareText, handoverText, promptTexts, symptoms, triageText } from '../messages/mcp-en.ts';
import { nearestNames } from '../nearest.ts';
import { topicsOf } from '../catalog/topics.ts';
import { answer, type Serving, type Session } from './serving.ts';

type Arguments = Readonly<Record<string, string>>;
type PromptName = keyof typeof promptTexts;
type Symptom = keyof typeof symptoms;

/** The only arguments that may be left out. */
const OPTIONAL = ['since'];
const DEFAULT_SINCE = '12h';
/** Hosts and groups in one comparison, at most. */
const MOST_HOSTS = 20;

/** Topics of the catalog in which a symptom is looked into; those that it has are named. */
const TOPICS: Readonly<Record<Symptom, readonly string[]>> = {
  slow: ['host', 'system', 'processes'],
  unreachable: ['network', 'services'],
  crash: ['services', 'logs'],
  oom: ['memory', 'processes', 'logs'],
  disk: ['disk', 'storage'],
  network: ['network'],
  certificate: ['certificates', 'web'],
};

/** Texts of ours, for a person to start with. Nothing of an argument gets into one that is not a known name or of a fixed form. */
const PROMPTS: Readonly<Record<PromptName, (given: Arguments, session: Session) => string>> = {
  'triage-host': (given, session) => {
    const host = oneOf(
      'host',
      given,
      session.desk.hosts().map(({ name }) => name),
    );
    const symptom = oneOf('symptom', given, Object.keys(symptoms)) as Symptom;
    const known = topicsOf(session.desk.catalog);
    const topics = TOPICS[symptom].filter((topic) => known.includes(topic));
    return triageText(host, symptom, topics, callsOf(session));
  },
  'compare-hosts': (given, session) => {
    const all = session.desk.hosts().flatMap(({ name, groups }) => [name, ...groups]);
    const words = (given['hosts'] ?? '').split(',').map((word) => word.trim());
    const hosts = [...new Set(words)].map((name) => oneOf('hosts', { hosts: name }, all));
    if (hosts.length > MOST_HOSTS)
      throw new PraError('PROMPT_BAD', { name: 'hosts', expected: `at most ${String(MOST_HOSTS)} names` });
    const diagnostic = oneOf('diagnostic', given, [...session.desk.catalog.diagnostics.keys()]);
    const call = session.toolNames.has('compare_hosts') ? 'compare_hosts' : 'run_diagnostic';
    return compareText(hosts, diagnostic, call);
  },
  handover: (given, session) => {
    const since = given['since'] ?? DEFAULT_SINCE;
    if (!/^[1-9][0-9]{0,3}[smhd]$/u.test(since))
      throw new PraError('PROMPT_BAD', {
        name: 'since',
        expected: 'a time span such as 90s, 30m, 12h or 7d',
      });
    return handoverText(since, callsOf(session));
  },
};

/** Handlers of prompts/list and prompts/get. */
export const addPrompts = (server: Server, serving: Serving): void => {
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: Object.entries(promptTexts).map(([name, { title, description, arguments: takes }]) => ({
      name,
      title,
      description,
      arguments: Object.entries(takes).map(([argument, help]) => ({
        name: argument,
        description: help,
        required: !OPTIONAL.includes(argument),
      })),
    })),
  }));
  server.setRequestHandler(
    GetPromptRequestSchema,
    ({ params: { name, arguments: given = {} } }, { signal }) =>
      answer(serving, signal, 'prompt', (session) => {
        if (!Object.hasOwn(PROMPTS, name))
          throw new PraError('PROMPT_UNKNOWN', { names: Object.keys(PROMPTS).join(', ') });
        const prompt = name as PromptName;
        const text = PROMPTS[prompt](given, session);
        return {
          description: promptTexts[prompt].description,
          messages: [{ role: 'user', content: { type: 'text', text } }],
        };
      }),
  );
};

/** A name that is known. Throws PROMPT_BAD with the nearest ones. */
const oneOf = (argument: string, given: Arguments, known: readonly string[]): string => {
  const value = given[argument] ?? '';
  if (known.includes(value)) return value;
  const near = nearestNames(value, known, 8);
  const expected = (near.length > 0 ? near : known.slice(0, 8)).join(', ');
  throw new PraError('PROMPT_BAD', {
    name: argument,
    expected: `one of the known names, such as ${expected}`,
  });
};

const callsOf =
  ({
    desk: { catalog },
    toolNames,
  }: {
    readonly desk: { readonly catalog: Catalog };
    readonly toolNames: ReadonlySet<string>;
  }) =>
  (diagnostic: string): string | undefined => {
    if (toolNames.has(diagnostic)) return diagnostic;
    return catalog.diagnostics.has(diagnostic) ? `run_diagnostic ${diagnostic}` : undefined;
  };
