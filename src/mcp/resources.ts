import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ReadResourceRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { Catalog, Facts } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { resourceTexts } from '../messages/mcp-en.ts';
import { nearestNames } from '../nearest.ts';
import type { LookReport } from '../request/desk.ts';
import { overviewText } from './catalog-overview.ts';
import { detailText } from './diagnostic-texts.ts';
import { lookOutput } from './result.ts';
import { answer, type Serving, type Session } from './serving.ts';
import { actionText } from './tools/list-pra-actions.ts';

/** What a client may read by its address. `{x}` in `uri` is one name; a template is what has one. */
interface Resource {
  readonly uri: string;
  readonly name: string;
  readonly mimeType: 'application/json' | 'text/plain';
  /** Which diagnostic it needs; without it the resource is not offered. */
  readonly needs?: string;
  read(names: readonly string[], session: Session): string | Promise<string>;
}

/** The diagnostics behind what is read from hosts. */
const NAMED_THINGS = 'named_things';
const LOG_TAIL = 'log_tail';

const RESOURCES: readonly Resource[] = [
  {
    uri: 'mcp-pra://hosts',
    name: 'hosts',
    mimeType: 'application/json',
    read: (_, { desk }) =>
      JSON.stringify(desk.hosts().map(({ name, tags, groups }) => ({ name, tags, groups }))),
  },
  {
    uri: 'mcp-pra://hosts/{host}',
    name: 'host',
    mimeType: 'application/json',
    read: ([host = ''], { desk }) => {
      const found = desk.hosts().find(({ name }) => name === host);
      if (found === undefined)
        throw unknownName(
          host,
          desk.hosts().map(({ name }) => name),
        );
      const { name, tags, groups } = found;
      return JSON.stringify({ name, tags, groups });
    },
  },
  {
    uri: 'mcp-pra://hosts/{host}/logs',
    name: 'logs',
    mimeType: 'text/plain',
    needs: NAMED_THINGS,
    read: async ([host = ''], session) => {
      const report = await lookAt(session, NAMED_THINGS, host, {});
      const results = report.results.map((result) => ({ ...result, text: '', facts: logsIn(result.facts) }));
      return lookOutput({ ...report, results }).text;
    },
  },
  {
    uri: 'mcp-pra://hosts/{host}/logs/{log}',
    name: 'log',
    mimeType: 'text/plain',
    needs: LOG_TAIL,
    read: async ([host = '', log = ''], session) =>
      lookOutput(await lookAt(session, LOG_TAIL, host, { log })).text,
  },
  {
    uri: 'mcp-pra://catalog/diagnostics',
    name: 'diagnostics',
    mimeType: 'text/plain',
    read: (_, { desk }) => overviewText(desk.catalog),
  },
  {
    uri: 'mcp-pra://catalog/diagnostics/{diagnostic}',
    name: 'diagnostic',
    mimeType: 'text/plain',
    read: ([name = ''], { desk }) => detailText(known(desk.catalog.diagnostics, name)),
  },
  {
    uri: 'mcp-pra://catalog/actions',
    name: 'actions',
    mimeType: 'text/plain',
    read: (_, { desk }) => [...desk.catalog.actions.values()].map(actionText).join('\n\n'),
  },
  {
    uri: 'mcp-pra://catalog/actions/{action}',
    name: 'action',
    mimeType: 'text/plain',
    read: ([name = ''], { desk }) => actionText(known(desk.catalog.actions, name)),
  },
];

/** Handlers of resources/list, resources/templates/list and resources/read. */
export const addResources = (server: Server, serving: Serving, catalog: Catalog): void => {
  const offered = RESOURCES.filter(({ needs }) => needs === undefined || catalog.diagnostics.has(needs));
  const described = offered.map(({ uri, name, mimeType }) => ({
    uri,
    name,
    ...resourceTexts[name as keyof typeof resourceTexts],
    mimeType,
  }));
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: described.filter(({ uri }) => !uri.includes('{')),
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: described
      .filter(({ uri }) => uri.includes('{'))
      .map(({ uri, ...rest }) => ({ uriTemplate: uri, ...rest })),
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }, { signal }) =>
    answer(serving, signal, 'resource', async (session) => {
      for (const resource of offered) {
        const names = namesIn(resource.uri, uri);
        if (names === undefined) continue;
        return {
          contents: [{ uri, mimeType: resource.mimeType, text: await resource.read(names, session) }],
        };
      }
      throw new PraError('RESOURCE_UNKNOWN', { near: 'mcp-pra://hosts, mcp-pra://catalog/diagnostics' });
    }),
  );
};

/** The names in an address of that form; undefined when it is of another. */
const namesIn = (template: string, uri: string): readonly string[] | undefined =>
  uri.length > 256
    ? undefined
    : new RegExp(`^${template.replaceAll(/\{\w+\}/gu, '([a-z0-9][a-z0-9._-]{0,62})')}$`, 'u')
        .exec(uri)
        ?.slice(1);

const lookAt = (
  { desk, caller, signal }: Session,
  diagnostic: string,
  host: string,
  args: Readonly<Record<string, string>>,
): Promise<LookReport> => {
  const hosts = desk.hosts().map(({ name }) => name);
  // A group has no address of its own.
  if (!hosts.includes(host)) throw unknownName(host, hosts);
  return desk.look(caller, { diagnostic, hosts: [host], args }, { signal });
};

const logsIn = ({ names }: Facts): Facts => ({
  logs: Array.isArray(names) ? names.filter(({ kind }) => kind === 'log').map(({ name }) => ({ name })) : [],
});

const known = <T>(all: ReadonlyMap<string, T>, name: string): T => {
  const found = all.get(name);
  if (found === undefined) throw unknownName(name, [...all.keys()]);
  return found;
};

const unknownName = (name: string, all: readonly string[]): PraError =>
  new PraError('RESOURCE_UNKNOWN', { near: nearestNames(name, all, 8).join(', ') || 'no name' });
