// A modest flag, no filter: text that speaks to a model is shown all the same, inside its frame, with a warning beside it.

/** What was found in host text; names are stable: results, the ledger and the rule `suspicious_output` have them. */
export type Suspicion =
  | 'instructions' // orders about orders, or words addressed to a model
  | 'approval' // says that something is approved, or is to be
  | 'otp' // has, or asks for, a one-time code
  | 'tool-call-markup'
  | 'role-markup'
  | 'hidden-characters'; // what a reader would not have seen; said by whoever neutralised the text

const OTP = String.raw`(?:otp|totp|one[- ]time (?:code|password|passcode)|(?:verification|authenticator|authentication|recovery|2fa|mfa) codes?|passcode)`;

/** Bounded gaps only: every pattern is linear in the text. */
const PATTERNS: Readonly<Record<Exclude<Suspicion, 'hidden-characters'>, readonly RegExp[]>> = {
  instructions: [
    /\b(?:ignore|disregard|forget|override|bypass)\b[^\n]{0,40}\b(?:previous|prior|above|earlier|all|any|your|system)\b[^\n]{0,40}\b(?:instructions?|prompts?|rules?|guidelines?|messages?|context|safety)\b/iu,
    /\b(?:new|updated|real|actual|following|hidden) (?:system )?(?:instructions?|prompt)\b\s{0,4}:/iu,
    /\byou (?:are now|must now|have to|should now|are an? (?:ai|assistant|language model|llm|agent))\b/iu,
    /\b(?:dear|attention|note to|message (?:to|for)|instructions? (?:to|for)|hey|hello),? (?:the )?(?:ai|a\.i\.|assistant|model|llm|agent|claude|chatgpt|copilot)\b/iu,
    /\b(?:system|developer) prompt\b/iu,
    /\bdo not (?:tell|inform|alert|mention|show|reveal)\b[^\n]{0,40}\b(?:user|operator|human|anyone|approver)\b/iu,
    // orders to use this product
    /\b(?:propose|execute|withdraw|call|invoke|run|use)(?:_pra_action|_pra_request|\b[^\n]{0,24}\b(?:tool|function|pra action|mcp-pra))/iu,
  ],
  approval: [
    /\bapprove(?:_pra_action|_pra_request|\b[^\n]{0,24}\b(?:tool|function|pra action))|\bmcp-pra approve\b/iu,
    /\b(?:please|must|should|now|immediately|go ahead and)\b[^\n]{0,24}\bapprove\b/iu,
    /\bapprove\b[^\n]{0,24}\b(?:request|action|it|this|immediately|now|without)\b/iu,
    /\b(?:user|operator|admin(?:istrator)?|human|approver|security team)\b[^\n]{0,24}\b(?:has|have|had|already)\b[^\n]{0,16}\b(?:approved|authori[sz]ed)\b/iu,
    /\b(?:already|pre-?) ?approved by\b|\bno (?:further |human )?approval (?:is )?(?:needed|required)\b|\bauto_approve\b/iu,
  ],
  otp: [
    new RegExp(
      String.raw`\b(?:enter|type|send|give|provide|paste|share|tell|forward|submit|use)\b[^\n]{0,40}\b${OTP}\b`,
      'iu',
    ),
    new RegExp(String.raw`\b${OTP}\b\s{0,3}(?:is|are|:|=)\s{0,3}(?:\[masked|[0-9][0-9 -]{3,12})`, 'iu'),
  ],
  'tool-call-markup': [
    /<\/?(?:tool_(?:use|call|result)|function_(?:calls?|results?)|invoke|antml:[a-z_]{1,30})\b[^>\n]{0,80}>/iu,
    /"(?:tool_calls?|function_call|tool_use)"\s{0,8}:/iu,
  ],
  'role-markup': [
    /<\/?(?:system|assistant|user|human|instructions?)\b[^>\n]{0,80}>/iu,
    /<\|[a-z_]{2,30}\|>|\[\/?INST\]|<<\/?SYS>>/iu,
    /^\s{0,8}(?:system|assistant|human|user)\s{0,4}:\s{0,4}\S/imu,
  ],
};

const KINDS = Object.keys(PATTERNS) as (keyof typeof PATTERNS)[];

/**
 * What in host text seems to address a model, each kind once. `hidden`: whoever neutralised the text found characters that
 * hide or reorder. Linear; takes neutralised text.
 */
export const findSuspicious = (text: string, hidden = false): readonly Suspicion[] => {
  // Unseen characters were made visible before; what they tore apart is read as one.
  const joined = text.includes('\\u{') ? text.replace(/\\u\{[0-9a-z ]{1,12}\}/gu, '') : text;
  const found: Suspicion[] = KINDS.filter((kind) => PATTERNS[kind].some((pattern) => pattern.test(joined)));
  return hidden ? [...found, 'hidden-characters'] : found;
};
