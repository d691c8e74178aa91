import type { Tool as ListedTool } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { annotationsOf, type Tool } from './tool.ts';

/** A tool as it is listed. Whatever a client reads of it is here; test/unit/mcp/listing.golden has all of them. */
export const describeTool = (tool: Tool): ListedTool => ({
  name: tool.name,
  title: tool.title,
  description: tool.description,
  inputSchema: objectSchema(tool.input),
  outputSchema: objectSchema(tool.output),
  annotations: { title: tool.title, ...annotationsOf(tool.risk) },
});

/** JSON Schema 2020-12, as the MCP specification has it. `io: input` so that defaults are optional. */
const objectSchema = (schema: z.ZodType): ListedTool['inputSchema'] => ({
  ...(z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' }) as Record<string, object>),
  type: 'object',
});
