import { CatalogProblems, problemLine as catalogProblemLine } from '../catalog/problem.ts';
import { problemsOf } from '../config.ts';
import { problemLine } from '../config/problem.ts';
import type { PraError } from '../errors.ts';
import { RuleSentences } from '../request/context-rules.ts';
import { FreezeReason } from '../request/freezes.ts';
import { painter, type CliIo } from './cli-io.ts';
import { oneLine } from './plain-text.ts';
import { say } from './say.ts';
import { jsonText } from './json-text.ts';

/** Every problem behind a refusal of a file, one line each, for people and for MCP clients. */
export const detailsOf = (error: PraError): readonly string[] => {
  const config = problemsOf(error).map(problemLine);
  const catalog = error.cause instanceof CatalogProblems ? error.cause.problems.map(catalogProblemLine) : [];
  return [...config, ...catalog].map(oneLine);
};

/** What people wrote about a refusal, to a rule or a freeze: for people at this machine, never for a model. */
const sentencesOf = ({ cause }: PraError): readonly string[] =>
  cause instanceof RuleSentences
    ? cause.refusedBy.map(({ name, sentence }) => `${name}: ${oneLine(sentence)}`)
    : cause instanceof FreezeReason
      ? [oneLine(cause.reason)]
      : [];

/** Says an error once: the sentence, the rule that decided, what to do next. With `json` on standard output, as an object. */
export const printError = (io: CliIo, error: PraError, json: boolean): void => {
  const details = [...detailsOf(error), ...sentencesOf(error)];
  if (json) {
    const { code, layer, message, hint, exit } = error;
    io.stdout.write(`${jsonText({ error: { code, layer, message, hint, exit, details } })}\n`);
    return;
  }
  const paint = painter(io.stderr, io.env);
  io.stderr.write(`${paint('red', error.message)}\n`);
  for (const detail of details) io.stderr.write(`  ${detail}\n`);
  io.stderr.write(`${paint('dim', say('error.rule', { layer: error.layer, code: error.code }))}\n`);
  io.stderr.write(`${say('error.hint', { hint: error.hint })}\n`);
};
