/** Ranges of names: `web[01:12]` stands for web01 to web12, `rack[a:c]` for racka to rackc. */

/** The most names that one range may stand for. */
export const RANGE_LIMIT = 10_000;

/**
 * @returns every name, in order; leading zeros are kept; several ranges in one text multiply
 * @throws Error when a range runs backwards, mixes digits and letters or stands for too many names
 */
export function expandRange(text: string): readonly string[] {
  const match = /^(.*?)\[([^\]]*)\](.*)$/s.exec(text);
  if (match === null) return [text];
  const [, before = '', inside = '', after = ''] = match;
  const rests = expandRange(after);
  const steps = expandSteps(inside);
  if (steps.length * rests.length > RANGE_LIMIT)
    throw new Error(`[${inside}] stands for more than ${RANGE_LIMIT} hosts`);
  return steps.flatMap(step => rests.map(rest => `${before}${step}${rest}`));
}

function expandSteps(inside: string): readonly string[] {
  const digits = /^(\d{1,9}):(\d{1,9})$/.exec(inside);
  if (digits !== null) {
    const [, from = '', to = ''] = digits;
    return count(Number(from), Number(to), inside).map(step =>
      String(step).padStart(from.startsWith('0') ? from.length : 0, '0'),
    );
  }
  const letters = /^([a-z]):([a-z])$/i.exec(inside);
  if (letters === null) throw new Error(`[${inside}] is no range such as [01:12] or [a:d]`);
  const [, from = '', to = ''] = letters;
  return count(from.charCodeAt(0), to.charCodeAt(0), inside).map(code => String.fromCharCode(code));
}

function count(from: number, to: number, inside: string): readonly number[] {
  if (to < from) throw new Error(`[${inside}] runs backwards`);
  if (to - from >= RANGE_LIMIT) throw new Error(`[${inside}] stands for more than ${RANGE_LIMIT} hosts`);
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}
