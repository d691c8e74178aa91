import { sha256 } from '../catalog/digest.ts';
import type { Action, Catalog } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { builtInEn } from '../messages/built-in-en.ts';
import { word } from './strict-lines.ts';
import type { ArgList, StoredRequest, Ticket } from './types.ts';

/** Words that every target carries out itself, after a ticket like an action's (docs/wire-protocol.md §3). */
export type BuiltInWord = 'unfreeze' | 'review';

/** What stands for a definition of a word, on both sides. SHA-256, hex. */
export const wordDigest = (name: BuiltInWord | 'freeze'): string => sha256(`mcp-pra word ${name} 1\n`);

const asAction = (name: BuiltInWord): Action => ({
  kind: 'action',
  name,
  ...builtInEn[name],
  impact: 'HIGH',
  params: [],
  argv: ['mcp-pra', name],
  ends: 'nothing',
  precheck: [],
  verify: [],
  limits: { seconds: 30, bytes: 4_096 },
  idempotent: true,
  cancellable: false,
  cooldown: 0,
  tags: [],
  digest: wordDigest(name),
});

const ACTIONS: ReadonlyMap<string, Action> = new Map([
  ['unfreeze', asAction('unfreeze')],
  ['review', asAction('review')],
]);

/** Whether a request is for a word of the product's own: no catalog may have an action of that name. */
export const isBuiltIn = (name: string): name is BuiltInWord => ACTIONS.has(name);

/** A word as an action: never in a catalog, so that no model finds or proposes it. */
export const builtInAction = (name: string): Action | undefined => ACTIONS.get(name);

/** The kind of a request's ticket. */
export const ticketKindOf = (action: string): Ticket['kind'] => (isBuiltIn(action) ? action : 'action');

const INCIDENT = new RegExp(`^${word.incident}$`, 'u');

/** An incident as it was typed. Throws INCIDENT_BAD. */
export const readIncident = (given: unknown): string => {
  if (typeof given !== 'string' || !INCIDENT.test(given)) throw new PraError('INCIDENT_BAD');
  return given;
};

/** The arguments of a word. Throws INCIDENT_BAD. */
export const builtInArgs = (name: BuiltInWord, args: Readonly<Record<string, unknown>>): ArgList =>
  name === 'unfreeze' ? [] : [['incident', readIncident(args['incident'])]];

/** The definition that a request is for. Throws ACTION_UNKNOWN, and DEFINITION_DIFFERS when it is not the one of this digest. */
export const definitionFor = (
  catalog: Catalog,
  request: StoredRequest,
  digest: string = request.definition,
): Action => {
  const action = catalog.actions.get(request.action) ?? builtInAction(request.action);
  if (action === undefined)
    throw new PraError('ACTION_UNKNOWN', { names: [...catalog.actions.keys()].join(', ') });
  if (action.digest !== digest)
    throw new PraError('DEFINITION_DIFFERS', { host: request.host, definition: action.name });
  return action;
};
