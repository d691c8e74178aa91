import type { Tool as ListedTool } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { annotationsOf, type Tool } from './tool.ts';

/**
 * A tool as it is listed. Whatever a client reads of it is here; test/unit/mcp/listing.golden has all of them. Every conversation pays for
 * this list, so it has no output schemas: MCP 2025-11-25 does not ask for them (server/tools), and the text of an answer is complete.
 */
export const describeTool = (tool: Tool): ListedTool => ({
  name: tool.name,
  title: tool.title,
  description: tool.description,
  inputSchema: inputSchema(tool.input),
  annotations: { title: tool.title, ...annotationsOf(tool.risk) },
});

/** JSON Schema 2020-12, which is what a schema without `$schema` is (MCP 2025-11-25). `io: input`: defaults are optional. */
const inputSchema = (schema: z.ZodType): ListedTool['inputSchema'] => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' });
  return { ...(rest as Record<string, object>), type: 'object' };
};
