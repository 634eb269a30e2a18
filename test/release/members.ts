/** Tar archives made by hand, for what no tar would write. */

export interface Member {
  readonly name: string;
  readonly type?: string;
  readonly content?: string;
  readonly target?: string;
  /** The size field as it stands; default: the content's, in octal. */
  readonly size?: Buffer;
  readonly mode?: string;
  readonly prefix?: string;
  readonly magic?: string;
}

export const END = Buffer.alloc(1024);

export function tar(...members: readonly (Member | Buffer)[]): Buffer {
  return Buffer.concat([...members.map(one => (Buffer.isBuffer(one) ? one : member(one))), END]);
}

export function member({
  name,
  type = '0',
  content = '',
  target = '',
  size,
  mode = '0000644',
  prefix = '',
  magic = 'ustar\x0000',
}: Member): Buffer {
  const header = Buffer.alloc(512);
  const body = Buffer.from(content, 'latin1');
  header.write(name, 0, 100, 'latin1');
  header.write(`${mode}\0`, 100, 'latin1');
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  size?.copy(header, 124);
  header.write('        ', 148, 'latin1');
  header.write(type, 156, 'latin1');
  header.write(target, 157, 100, 'latin1');
  header.write(magic, 257, 'latin1');
  header.write(prefix, 345, 155, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

export function pax(type: 'x' | 'g', records: Readonly<Record<string, string>>): Buffer {
  return member({ name: 'PaxHeaders/x', type, content: Object.entries(records).map(record).join('') });
}

function record([key, value]: readonly [string, string]): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
  return `${length}${rest}`;
}
