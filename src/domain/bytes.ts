/**
 * Paths and link texts are byte strings: one character per byte (latin1), so that names in any encoding survive.
 * Comparing byte strings compares bytes, which is the order of `LC_ALL=C sort`.
 */

export type ByteString = string;

/** The bytes of text as a byte string (UTF-8). */
export function fromText(text: string): ByteString {
  return fromBytes(new TextEncoder().encode(text));
}

export function fromBytes(bytes: Uint8Array): ByteString {
  let out = '';
  for (let at = 0; at < bytes.length; at += 8192) out += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return out;
}

export function toBytes(value: ByteString): Uint8Array {
  const out = new Uint8Array(value.length);
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code > 255) throw new Error('not a byte string');
    out[at] = code;
  }
  return out;
}

/** For people: UTF-8 where it is, everything else and every control character as `\xNN`. Safe for a terminal. */
export function show(value: ByteString): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const bytes = toBytes(value);
  let out = '';
  for (let at = 0; at < bytes.length; ) {
    const length = utf8Length(bytes[at] ?? 0);
    let piece: string | undefined;
    try {
      piece = decoder.decode(bytes.subarray(at, at + length));
    } catch {
      piece = undefined;
    }
    if (piece !== undefined && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(piece)) {
      out += piece;
      at += length;
    } else {
      out += `\\x${(bytes[at] ?? 0).toString(16).padStart(2, '0')}`;
      at += 1;
    }
  }
  return out;
}

function utf8Length(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}
