import type { Catalog } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { describeTool } from './describe-tool.ts';
import type { Tool } from './tool.ts';
import { diagnosticTool } from './tools/diagnostic.ts';
import { listDiagnostics } from './tools/list-diagnostics.ts';
import { listHosts } from './tools/list-hosts.ts';
import { listPraActions } from './tools/list-pra-actions.ts';
import {
  executePraAction,
  getPraAction,
  listPraRequests,
  proposePraAction,
  withdrawPraAction,
} from './tools/requests.ts';
import { compareHostsTool } from './tools/compare-hosts.ts';
import { readMore } from './tools/read-more.ts';
import { runDiagnostic } from './tools/run-diagnostic.ts';
import { triageTool } from './tools/triage.ts';

/** The result of `tools/list` as JSON, in bytes, at most: every conversation carries it from its first word on. */
export const MAX_LISTING_BYTES = 16_384;

/** For diagnostics that are no tools of their own, and for what answers left out. */
const CATALOG_TOOLS: readonly Tool[] = [listDiagnostics, runDiagnostic, compareHostsTool, readMore];

const ACTION_TOOLS: readonly Tool[] = [
  listPraActions,
  proposePraAction,
  getPraAction,
  executePraAction,
  withdrawPraAction,
  listPraRequests,
];

/** Bytes of a `tools/list` result. */
export const listingBytes = (tools: readonly Tool[]): number =>
  Buffer.byteLength(JSON.stringify({ tools: tools.map(describeTool) }));

/**
 * All tools, in the order they are listed. Fixed for the life of the server (Claude Desktop ignores list_changed). There is
 * no tool that approves, denies or carries a one-time password: a test reads this listing. Diagnostics are tools when
 * they are promoted; the others go through run_diagnostic. Throws CATALOG_INVALID when one of them has the name of another
 * tool, LISTING_TOO_LARGE when so many are promoted that a client would be swamped.
 */
export const listing = (catalog: Catalog): readonly Tool[] => {
  const promoted = [...catalog.diagnostics.values()].filter((diagnostic) => diagnostic.promote);
  const triage = triageTool(catalog);
  const tools = [
    listHosts,
    ...(triage === undefined ? [] : [triage]),
    ...promoted.map(diagnosticTool),
    ...CATALOG_TOOLS,
    ...ACTION_TOOLS,
  ];
  const twice = tools.find((tool, index) => tools.findIndex(({ name }) => name === tool.name) !== index);
  if (twice !== undefined)
    throw new PraError('CATALOG_INVALID', { first: `diagnostic ${twice.name} has the name of a tool` });
  const bytes = listingBytes(tools);
  if (bytes > MAX_LISTING_BYTES)
    throw new PraError('LISTING_TOO_LARGE', { bytes, max: MAX_LISTING_BYTES, promoted: promoted.length });
  return tools;
};
