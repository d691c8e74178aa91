import type { TriageFinding, TriageHost, TriageReport } from '../request/triage.ts';
import { factLines } from './look/fact-lines.ts';
import type { Page } from './page.ts';
import { oneLine } from './plain-text.ts';
import { say } from './say.ts';

/** Columns for the names of lists. */
const LABEL = 17;

/** What explains a symptom on each host: findings first, then the facts that they are about. */
export const triagePage = (page: Page, { hosts, summary, next }: TriageReport, full: boolean): void => {
  for (const host of hosts) hostPart(page, host, full);
  page.line().line(summary);
  if (hosts.every(({ findings }) => findings.length === 0)) page.line(say('triage.next', { next }));
};

const hostPart = (page: Page, part: TriageHost, full: boolean): void => {
  page.title(part.host);
  for (const finding of part.findings) {
    page.line(`  ${page.paint('yellow', `! ${finding.say}`)}`);
    page.line(`      ${page.paint('dim', reasonOf(finding))}`);
  }
  if (part.findings.length === 0) page.line(`  ${say('triage.none_found')}`);
  for (const { diagnostic, status, code, hint } of part.unanswered) {
    const line = say('triage.unanswered', { diagnostic, status: code ?? status });
    page.line(`  ${page.paint('red', line)}`);
    if (hint !== null) page.field('', hint, 4);
  }
  if (part.clean.length > 0) page.field(say('triage.clean'), part.clean.join(', '), LABEL);
  if (part.not_present.length > 0) page.field(say('triage.not_present'), part.not_present.join(', '), LABEL);
  if (part.not_asked.length > 0) page.field(say('triage.not_asked'), part.not_asked.join(', '), LABEL);
  if (part.suspicious.length > 0)
    page.line(`  ${page.paint('yellow', say('look.suspicious', { kinds: part.suspicious.join(', ') }))}`);
  for (const [diagnostic, facts] of Object.entries(part.facts)) {
    page.line().line(`  ${page.paint('dim', diagnostic)}`);
    factLines(page, facts, full);
  }
};

const reasonOf = ({ diagnostic, fact, value, limit }: TriageFinding): string =>
  say('triage.reason', { diagnostic, fact, value: oneLine(String(value)), limit });
