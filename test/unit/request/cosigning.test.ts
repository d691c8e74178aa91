import { afterEach, beforeEach, expect, test } from 'vitest';
import { openCosigning } from '../../../src/request/cosigning.ts';
import { BLOCK_CHARS } from '../../../src/request/text-block.ts';
import { makeSigner, offeredRequest } from '../../support/signed-request.ts';
import { newRequest, nthId, row, TempStore } from '../../support/store-fixture.ts';

let temp: TempStore;
beforeEach(async () => {
  temp = await TempStore.open();
});
afterEach(() => temp.dispose());

const CALLER = { principal: 'alice', client: 'cli', channel: 'cli' } as const;
const unused = (): never => {
  throw new Error('not part of an export');
};

test('a ticket goes out as a block of at most 64 KiB, and one that would be larger is said to be', () => {
  const host = makeSigner('host');
  const alice = makeSigner('alice');
  const { ticket, request } = offeredRequest(host, 2);
  const signature = alice.sign(ticket, 'mcp-pra-high');
  let made = 0;
  /** Exports a request whose offer is so long. */
  const exported = (length: number): string => {
    made += 1;
    const id = nthId(made);
    const offer = { text: 'x'.repeat(length), signature: request.offer?.signature ?? '' };
    temp.store.create(newRequest(id, { offer }), row(id));
    temp.store.transition(id, 'ask', {}, row(id));
    const approvals = [{ principal: 'alice', key: alice.key, way: 'here' as const }];
    temp.store.transition(id, 'cosign', { ticket, signatures: [signature], approvals }, row(id));
    const { store } = temp;
    const never = { sheetOf: unused, requireAllowed: unused, approve: unused };
    const current = (one: string) => store.find(one);
    return openCosigning({ store, current, ...never }).exportTicket(CALLER, id);
  };
  // 9 bytes of the offer are 12 of the submission, and those 16 of the block.
  let [fits, tooLong] = [20_000, 40_000];
  expect(exported(fits).length).toBeLessThan(BLOCK_CHARS);
  while (tooLong - fits > 1) {
    const middle = Math.floor((fits + tooLong) / 2);
    try {
      exported(middle);
      fits = middle;
    } catch {
      tooLong = middle;
    }
  }
  expect(BLOCK_CHARS - exported(fits).length).toBeLessThan(100);
  expect(() => exported(tooLong)).toThrow(
    expect.objectContaining({ code: 'BLOCK_BAD', values: { kind: 'MCP-PRA TICKET', where: 'size' } }),
  );
  expect(
    temp.store
      .tail(1_000)
      .filter(({ code, request: id }) => code === 'TICKET_EXPORTED' && id === nthId(made)),
  ).toEqual([]);
});
