import { checkHandedArgs } from './check-action.ts';
import { placeholderOf } from './placeholder.ts';
import { Faults, type Fault } from './problem.ts';
import type { Action, ArgValues } from './types.ts';

/** The rule for `undo_action` that needs all actions: it must be one, and take every value that this one may hand on. */
export const checkUndo = (action: Action, actions: ReadonlyMap<string, Action>): readonly Fault[] => {
  const { undo_action: undo } = action;
  if (undo === undefined) return [];
  const faults = new Faults();
  const target = actions.get(undo.action);
  if (faults.need(target !== undefined, ['undo_action', 'action'], 'there is no such action') && target)
    checkHandedArgs(faults, ['undo_action'], undo.args, action, target);
  return faults.found;
};

/** The values that a definition hands on, with those of a request in place of its placeholders. */
export const fillArgs = (args: ArgValues, values: ReadonlyMap<string, string>): ArgValues =>
  Object.fromEntries(
    Object.entries(args).map(([name, value]) => {
      const placeholder = placeholderOf(value);
      return [name, placeholder === undefined ? value : (values.get(placeholder.name) ?? value)];
    }),
  );

/** What to propose to get back from a run with these arguments; undefined when the action declares nothing. */
export const undoOf = (
  { undo_action: undo }: Pick<Action, 'undo_action'>,
  values: ReadonlyMap<string, string>,
): { readonly action: string; readonly args: ArgValues } | undefined =>
  undo === undefined ? undefined : { action: undo.action, args: fillArgs(undo.args, values) };
