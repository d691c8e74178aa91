// A modest flag, no filter: text that speaks to a model is shown all the same, inside its frame, with a warning beside it.

/** Bounded gaps only: every pattern is linear in the text. */
const PATTERNS: readonly RegExp[] = [
  // orders about orders
  /\b(?:ignore|disregard|forget|override|bypass)\b[^\n]{0,40}\b(?:previous|prior|above|earlier|all|any|your|system)\b[^\n]{0,40}\b(?:instructions?|prompts?|rules?|guidelines?|messages?|context|safety)\b/iu,
  /\b(?:new|updated|real|actual|following|hidden) (?:system )?(?:instructions?|prompt)\b\s{0,4}:/iu,
  /\byou (?:are now|must now|have to|should now|are an? (?:ai|assistant|language model|llm|agent))\b/iu,
  /\b(?:dear|attention|note to|message (?:to|for)|instructions? (?:to|for)|hey|hello),? (?:the )?(?:ai|a\.i\.|assistant|model|llm|agent|claude|chatgpt|copilot)\b/iu,
  /\b(?:system|developer) prompt\b/iu,
  /\bdo not (?:tell|inform|alert|mention|show|reveal)\b[^\n]{0,40}\b(?:user|operator|human|anyone|approver)\b/iu,
  // orders to use this product
  /\b(?:propose|execute|approve|withdraw|call|invoke|run|use)(?:_pra_action|_pra_request|\b[^\n]{0,24}\b(?:tool|function|pra action|mcp-pra approve))/iu,
  /\b(?:please|must|should|now|immediately|go ahead and)\b[^\n]{0,24}\bapprove\b/iu,
  /\bapprove\b[^\n]{0,24}\b(?:request|action|it|this|immediately|now|without)\b/iu,
  // markup of conversations and of tool calls
  /<\/?(?:system|assistant|user|human|instructions?|tool_(?:use|call|result)|function_(?:calls?|results?)|invoke|antml:[a-z_]{1,30})\b[^>\n]{0,80}>/iu,
  /<\|[a-z_]{2,30}\|>|\[\/?INST\]|<<\/?SYS>>/iu,
  /^\s{0,8}(?:system|assistant|human|user)\s{0,4}:\s{0,4}\S/imu,
  /"(?:tool_calls?|function_call|tool_use)"\s{0,8}:/iu,
];

/** Whether host text seems to address a model: orders about its instructions or approvals, or the markup of tool calls. */
export const suspicious = (text: string): boolean => {
  // Unseen characters were made visible before; what they tore apart is read as one.
  const joined = text.includes('\\u{') ? text.replace(/\\u\{[0-9a-z ]{1,12}\}/gu, '') : text;
  return PATTERNS.some((pattern) => pattern.test(joined));
};
