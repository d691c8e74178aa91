import type { Catalog } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import type { Tool } from './tool.ts';
import { diagnosticTool } from './tools/diagnostic.ts';
import { listHosts } from './tools/list-hosts.ts';
import { listPraActions } from './tools/list-pra-actions.ts';
import {
  executePraAction,
  getPraAction,
  listPraRequests,
  proposePraAction,
  withdrawPraAction,
} from './tools/requests.ts';

const ACTION_TOOLS: readonly Tool[] = [
  listPraActions,
  proposePraAction,
  getPraAction,
  executePraAction,
  withdrawPraAction,
  listPraRequests,
];

/**
 * All tools, in the order they are listed. Fixed for the life of the server (Claude Desktop ignores list_changed). There is
 * no tool that approves, denies or carries a one-time password: a test reads this listing. Diagnostics are tools when
 * they are promoted. Throws CATALOG_INVALID when one of them has the name of another tool.
 */
export const listing = (catalog: Catalog): readonly Tool[] => {
  const diagnostics = [...catalog.diagnostics.values()]
    .filter((diagnostic) => diagnostic.promote)
    .map(diagnosticTool);
  const tools = [listHosts, ...diagnostics, ...ACTION_TOOLS];
  const twice = tools.find((tool, index) => tools.findIndex(({ name }) => name === tool.name) !== index);
  if (twice === undefined) return tools;
  throw new PraError('CATALOG_INVALID', { first: `diagnostic ${twice.name} has the name of a tool` });
};
