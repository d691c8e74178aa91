import { z } from 'zod';
import { CURSOR } from '../../request/answer-memory.ts';
import { lookOutput } from '../result.ts';
import { lookReport } from '../schemas.ts';
import { defineTool } from '../tool.ts';

export const readMore = defineTool({
  name: 'read_more',
  title: 'Read on',
  description:
    "The next part of one host's answer, which was too long for one result: facts and rows first, then text. Asks nothing of the host.",
  risk: 'reads',
  input: z.strictObject({ cursor: z.string().regex(CURSOR).describe('next_cursor of a result') }),
  output: lookReport,
  run: async ({ cursor }, { desk, caller }) => lookOutput(await desk.readMore(caller, cursor)),
});
