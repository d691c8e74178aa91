import type { Catalog } from '../catalog/types.ts';
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

/**
 * All tools, in the order they are listed. Fixed for the life of the server (Claude Desktop ignores list_changed). There is
 * no tool that approves, denies or carries a one-time password: a test reads this listing.
 */
export const listing = (catalog: Catalog): readonly Tool[] => [
  listHosts,
  ...[...catalog.diagnostics.values()].filter((diagnostic) => diagnostic.promote).map(diagnosticTool),
  listPraActions,
  proposePraAction,
  getPraAction,
  executePraAction,
  withdrawPraAction,
  listPraRequests,
];
