import { z } from 'zod';
import { describeParam } from '../../catalog/params.ts';
import type { Action } from '../../catalog/types.ts';
import { paramLine } from '../diagnostic-texts.ts';
import { defineTool } from '../tool.ts';

/** Everything a proposer has to know of an action. */
export const actionText = (action: Action): string =>
  [
    `${action.name} (${action.impact}${action.idempotent ? ', idempotent' : ''}): ${action.title}. ${action.summary}`,
    ...action.params.map((param) => `  ${paramLine(param)}`),
    `  effects: ${action.effects}`,
    `  undo: ${action.undo}`,
  ].join('\n');

export const listPraActions = defineTool({
  name: 'list_pra_actions',
  title: 'List PRA actions',
  description:
    'The disaster-recovery and first-aid actions that can be proposed: impact, parameters, effects, undo. LOW may run by itself where the host allows it; MEDIUM and HIGH wait for a person.',
  risk: 'reads',
  input: z.strictObject({}),
  output: z.object({
    actions: z.array(
      z.object({
        name: z.string(),
        title: z.string(),
        summary: z.string(),
        impact: z.enum(['LOW', 'MEDIUM', 'HIGH']),
        params: z.array(
          z.object({
            name: z.string(),
            expected: z.string(),
            default: z.string().optional(),
            help: z.string(),
          }),
        ),
        effects: z.string(),
        undo: z.string(),
        idempotent: z.boolean(),
      }),
    ),
  }),
  run: (_, { desk }) => {
    const actions = [...desk.catalog.actions.values()].map((action) => ({
      name: action.name,
      title: action.title,
      summary: action.summary,
      impact: action.impact,
      params: action.params.map((param) => ({
        name: param.name,
        expected: describeParam(param),
        ...(param.default === undefined ? {} : { default: param.default }),
        help: param.help,
      })),
      effects: action.effects,
      undo: action.undo,
      idempotent: action.idempotent,
    }));
    const text = [...desk.catalog.actions.values()].map(actionText);
    return Promise.resolve({ text: text.join('\n\n'), data: { actions } });
  },
});
