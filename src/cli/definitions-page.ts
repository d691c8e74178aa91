import { describeParam } from '../catalog/params.ts';
import type { Action, Diagnostic } from '../catalog/types.ts';
import type { Page } from './page.ts';
import { say } from './say.ts';

/** Diagnostics and actions with what they need to be called. */
export const definitionsPage = (page: Page, definitions: readonly (Diagnostic | Action)[]): void => {
  for (const definition of definitions) {
    page.title(definition.kind === 'action' ? `${definition.name}  ${definition.impact}` : definition.name);
    page.field('', definition.summary);
    for (const [index, param] of definition.params.entries()) {
      const label = index === 0 ? say('catalog.params') : '';
      const fallback = param.default === undefined ? '' : ` [${param.default}]`;
      page.field(label, `${param.name}${fallback}: ${describeParam(param)}`);
    }
    if (definition.kind === 'action') {
      page.field(say('catalog.effects'), definition.effects).field(say('catalog.undo'), definition.undo);
    }
  }
};
