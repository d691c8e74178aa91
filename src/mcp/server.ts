import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import {
  CallToolRequestSchema,
  ListToolsRequestSchema,
  type CallToolResult,
} from '@modelcontextprotocol/sdk/types.js';
import type { z } from 'zod';
import type { Catalog, Diagnostic } from '../catalog/types.ts';
import { asPraError, PraError } from '../errors.ts';
import type { Caller } from '../request/types.ts';
import { instructionsFor } from './instructions.ts';
import { addCompletions } from './completions.ts';
import { listing } from './listing.ts';
import { addPrompts } from './prompts.ts';
import { addResources } from './resources.ts';
import type { Service, Serving } from './serving.ts';
import { describeTool } from './describe-tool.ts';
import { DetailedRefusal, errorText, LONGEST_CALL_MS, type Tool } from './tool.ts';

/** Largest message in either direction. A client that sends a larger one is disconnected; of ours the call says so. */
const MAX_MESSAGE_BYTES = 1_048_576;
/** What JSON-RPC adds to a result. */
const ENVELOPE_BYTES = 1_024;
/** Problems of a configuration told in one answer. */
const MOST_DETAILS = 50;

export interface ServeOptions {
  readonly service: Service;
  readonly version: string;
  /** The person whose session this is; the client's own name is added from the handshake. */
  readonly principal: string;
  /** What must not reach the model. */
  readonly onError: (error: unknown) => void;
}

/** Serves MCP on stdin and stdout until stdin ends; resolves then. Nothing else may write to stdout. */
export const serve = async (options: ServeOptions): Promise<void> => {
  const { service, tools } = withTools(options.service);
  const catalog = service.kind === 'ready' ? service.desk.catalog : service.catalog;
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const server = new Server(
    { name: 'mcp-pra', title: 'mcp-pra: look at hosts, propose recovery', version: options.version },
    {
      capabilities: { tools: {}, resources: {}, prompts: {}, completions: {} },
      instructions: instructionsFor(catalog),
    },
  );
  const caller = (): Caller => ({
    principal: options.principal,
    client: clientName(server.getClientVersion()?.name),
    channel: 'mcp',
  });

  const serving: Serving = {
    service,
    toolNames: new Set(byName.keys()),
    caller,
    onError: options.onError,
  };
  addResources(server, serving, catalog);
  addPrompts(server, serving);
  addCompletions(server, serving);
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: tools.map(describeTool) }));
  server.setRequestHandler(CallToolRequestSchema, async (request, extra): Promise<CallToolResult> => {
    if (service.kind === 'broken') return broken(service);
    const { desk } = service;
    const { name, arguments: given, _meta: meta } = request.params;
    let over = false;
    const told = new Set<Promise<void>>();
    try {
      const tool = byName.get(name);
      if (tool === undefined) return refusal(desk.refused(caller(), 'tool', noSuchTool(desk.catalog, name)));
      const input = tool.input.safeParse(given ?? {});
      if (!input.success) {
        const error = desk.refused(caller(), tool.name, new PraError('INPUT_BAD'));
        return refusal(error, error.code === 'INPUT_BAD' ? issuesOf(input.error) : []);
      }
      const token = meta?.progressToken;
      const output = await tool.run(input.data, {
        desk,
        caller: caller(),
        signal: AbortSignal.any([extra.signal, AbortSignal.timeout(LONGEST_CALL_MS)]),
        progress: (progress, total, message) => {
          if (token === undefined || over) return;
          const amount = total === undefined ? { progress } : { progress, total };
          const params = { progressToken: token, message, ...amount };
          const sent = extra
            .sendNotification({ method: 'notifications/progress', params })
            .catch(options.onError)
            .finally(() => told.delete(sent));
          told.add(sent);
        },
      });
      return fitting({ content: [{ type: 'text', text: output.text }], structuredContent: output.data });
    } catch (thrown) {
      if (thrown instanceof DetailedRefusal) return refusal(thrown.refusal, thrown.details);
      // The desk has logged what is behind its own errors.
      if (!(thrown instanceof PraError)) options.onError(thrown);
      return refusal(asPraError(thrown));
    } finally {
      // No progress after the answer: a client does not know the call any more.
      over = true;
      await Promise.all(told);
    }
  });

  const transport = new StdioServerTransport(process.stdin, process.stdout, {
    maxBufferSize: MAX_MESSAGE_BYTES,
  });
  const closed = new Promise<void>((resolve) => {
    server.onclose = resolve;
    // The SDK does not end with its input by itself.
    process.stdin.once('end', resolve);
    process.stdin.once('close', resolve);
  });
  server.onerror = options.onError;
  await server.connect(transport);
  await closed;
  await server.close();
};

/** The tools of a service. When they cannot be listed, that is what every call says. */
const withTools = (service: Service): { readonly service: Service; readonly tools: readonly Tool[] } => {
  if (service.kind === 'broken') return { service, tools: listing(service.catalog) };
  const { catalog } = service.desk;
  try {
    return { service, tools: listing(catalog) };
  } catch (thrown) {
    const error = asPraError(thrown);
    const empty = { ...catalog, diagnostics: new Map<string, Diagnostic>() };
    return { service: { kind: 'broken', catalog: empty, error, details: [] }, tools: listing(empty) };
  }
};

/** A model may remember a tool of another session, or read its name somewhere. */
const noSuchTool = ({ diagnostics }: Catalog, name: string): PraError =>
  diagnostics.has(name) ? new PraError('TOOL_NOT_LISTED', { name }) : new PraError('TOOL_UNKNOWN');

const refusal = (error: PraError, details: readonly string[] = []): CallToolResult => ({
  isError: true,
  content: [{ type: 'text', text: [errorText(error), ...details].join('\n') }],
});

const broken = ({ error, details }: Extract<Service, { kind: 'broken' }>): CallToolResult =>
  refusal(error, [
    ...details.slice(0, MOST_DETAILS),
    ...(details.length > MOST_DETAILS ? [`and ${String(details.length - MOST_DETAILS)} more`] : []),
    'This server has not started its work. A person mends that and starts the client again; nothing can be done from here.',
  ]);

const fitting = (result: CallToolResult): CallToolResult => {
  const most = MAX_MESSAGE_BYTES - ENVELOPE_BYTES;
  if (Buffer.byteLength(JSON.stringify(result)) <= most) return result;
  return refusal(new PraError('REPLY_TOO_LARGE', { bytes: most }));
};

/** Which input is wrong, by our own words and paths: never the value. */
const issuesOf = (error: z.ZodError): readonly string[] =>
  error.issues.slice(0, 10).map((issue) => {
    const path = issue.path
      .filter((part) => typeof part === 'number' || /^[a-z_]{1,40}$/u.test(String(part)))
      .join('.');
    const what =
      issue.code === 'unrecognized_keys'
        ? 'has a field that this tool does not know'
        : `is not valid (${issue.code})`;
    return `- ${path === '' ? 'the input' : path} ${what}`;
  });

/** The client's own name, made fit for a ticket. None may look like this machine's own command line in the ledger. */
const clientName = (name: string | undefined): string => {
  const fit = (name ?? '').slice(0, 60).replaceAll(/[^\w@.-]/gu, '-');
  if (fit === '') return 'mcp';
  return fit.toLowerCase() === 'cli' ? `mcp-${fit}` : fit;
};
