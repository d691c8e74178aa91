import { readArgs, writeArgs } from './arg-lines.ts';
import { field, IMPACT, MODE, word } from './strict-lines.ts';
import { textForm } from './text-form.ts';
import type { Draft } from './types.ts';

const ID = field('id', word.id);
const HOST = field('host', word.host);
const ACTION = field('action', word.name);
const REQUESTER = field('requester', word.actor);

const form = textForm<Draft>({
  title: 'mcp-pra draft v1',
  code: 'DRAFT_FORM',
  maxBytes: 4_096,
  sizeCode: 'SIZE',
  read: (lines) => ({
    id: lines.one(ID),
    host: lines.one(HOST),
    action: lines.one(ACTION),
    args: readArgs(lines),
    impact: lines.choice(IMPACT),
    mode: lines.choice(MODE),
    requester: lines.one(REQUESTER),
  }),
  write: (draft) => [
    `id ${draft.id}`,
    `host ${draft.host}`,
    `action ${draft.action}`,
    ...writeArgs(draft.args),
    `impact ${draft.impact}`,
    `mode ${draft.mode}`,
    `requester ${draft.requester}`,
  ],
});

/** What `prepare` gets on standard input. Throws DRAFT_FORM. */
export const parseDraft = form.parse;
export const serialiseDraft = form.serialise;
