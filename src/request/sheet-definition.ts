import { fillArgs, undoOf } from '../catalog/undo.ts';
import type { Action, Verification } from '../catalog/types.ts';
import type { ArgList } from './types.ts';
import type { UndoHint } from './view.ts';

/** What the catalog of this machine says of an action with these arguments: a part of the sheet that an approver reads. */
export interface SheetDefinition {
  readonly effects: string;
  readonly undo: string;
  /** What the host asks afterwards; the run succeeded when all of it is so. */
  readonly verify: readonly Verification[];
  /** What can be proposed to take it back. */
  readonly undoAction: UndoHint | undefined;
}

export const sheetDefinition = (action: Action, args: ArgList): SheetDefinition => {
  const values = new Map(args);
  return {
    effects: action.effects,
    undo: action.undo,
    verify: action.verify.map((check) => ({ ...check, args: fillArgs(check.args, values) })),
    undoAction: undoOf(action, values),
  };
};
