import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import {
  CallToolRequestSchema,
  ListToolsRequestSchema,
  type CallToolResult,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import type { Catalog } from '../catalog/types.ts';
import { asPraError, PraError } from '../errors.ts';
import type { ModelDesk } from '../request/desk.ts';
import type { Caller } from '../request/types.ts';
import { instructions } from './instructions.ts';
import { listing } from './listing.ts';
import { annotationsOf, errorText, LONGEST_CALL_MS, type Tool } from './tool.ts';

/** Largest message a client may send. */
const MAX_MESSAGE_BYTES = 1_048_576;

/** Either a working desk, or why there is none: then every call says that, and the handshake still completes. */
export type Service =
  | { readonly kind: 'ready'; readonly desk: ModelDesk }
  | {
      readonly kind: 'broken';
      readonly catalog: Catalog;
      readonly error: PraError;
      readonly details: readonly string[];
    };

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
  const { service } = options;
  const tools = listing(service.kind === 'ready' ? service.desk.catalog : service.catalog);
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const server = new Server(
    { name: 'mcp-pra', title: 'mcp-pra: look at hosts, propose recovery', version: options.version },
    { capabilities: { tools: {} }, instructions },
  );
  const caller = (): Caller => ({
    principal: options.principal,
    client: clientName(server.getClientVersion()?.name),
    channel: 'mcp',
  });

  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: tools.map(describe) }));
  server.setRequestHandler(CallToolRequestSchema, async (request, extra): Promise<CallToolResult> => {
    try {
      if (service.kind === 'broken') return broken(service);
      const tool = byName.get(request.params.name);
      if (tool === undefined)
        return refusal(new PraError('USAGE', { what: 'There is no tool of that name.' }));
      const input = tool.input.safeParse(request.params.arguments ?? {});
      if (!input.success) return badInput(input.error);
      const token = request.params._meta?.progressToken;
      const deadline = AbortSignal.timeout(LONGEST_CALL_MS);
      const output = await tool.run(input.data, {
        desk: service.desk,
        caller: caller(),
        signal: AbortSignal.any([extra.signal, deadline]),
        progress: (progress, total, message) => {
          if (token === undefined) return;
          const params = {
            progressToken: token,
            progress,
            message,
            ...(total === undefined ? {} : { total }),
          };
          extra.sendNotification({ method: 'notifications/progress', params }).catch(options.onError);
        },
      });
      return { content: [{ type: 'text', text: output.text }], structuredContent: output.data };
    } catch (thrown) {
      const error = asPraError(thrown);
      if (error.code === 'INTERNAL') options.onError(thrown);
      return refusal(error);
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

const describe = (tool: Tool) => ({
  name: tool.name,
  title: tool.title,
  description: tool.description,
  inputSchema: objectSchema(tool.input),
  outputSchema: objectSchema(tool.output),
  annotations: { title: tool.title, ...annotationsOf(tool.risk) },
});

/** JSON Schema 2020-12, as the MCP specification has it. `io: input` so that defaults are optional. */
const objectSchema = (schema: z.ZodType): { type: 'object'; [key: string]: unknown } => ({
  ...z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' }),
  type: 'object',
});

const refusal = (error: PraError): CallToolResult => ({
  isError: true,
  content: [{ type: 'text', text: errorText(error) }],
});

const broken = ({ error, details }: Extract<Service, { kind: 'broken' }>): CallToolResult => ({
  isError: true,
  content: [{ type: 'text', text: [errorText(error), ...details].join('\n') }],
});

/** Which input is wrong, by our own words and paths: never the value. */
const badInput = (error: z.ZodError): CallToolResult => {
  const issues = error.issues.slice(0, 10).map((issue) => {
    const path = issue.path
      .filter((part) => typeof part === 'number' || /^\w{1,40}$/u.test(String(part)))
      .join('.');
    const what =
      issue.code === 'unrecognized_keys'
        ? 'has a field that this tool does not know'
        : `is not valid (${issue.code})`;
    return `- ${path === '' ? 'the input' : path} ${what}`;
  });
  const text = `The input does not fit the tool's schema:\n${issues.join('\n')}\nRule: mcp INPUT\nNext: correct the call by the input schema.`;
  return { isError: true, content: [{ type: 'text', text }] };
};

/** The client's own name, made fit for a ticket. */
const clientName = (name: string | undefined): string => {
  const fit = (name ?? '').replaceAll(/[^\w@.-]/gu, '-').slice(0, 64);
  return fit === '' ? 'mcp' : fit;
};
