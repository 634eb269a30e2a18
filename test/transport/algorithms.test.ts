import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Offer, readOffer } from './offers.ts';
import { makeKeys, startServer } from './server.ts';
import { connect, makeSetting, type Setting } from './setting.ts';

let setting: Setting;
beforeEach(async () => {
  setting = await makeSetting();
});
afterEach(() => setting.end());

/** What the connector offers to a server whose lines in known_hosts are these keys. */
async function offerTo(...known: readonly string[]): Promise<Offer> {
  const control = new AbortController();
  let tell: (offer: Offer) => void = () => undefined;
  const told = new Promise<Offer>(resolve => {
    tell = resolve;
  });
  const server = await startServer({
    meet(socket) {
      void readOffer(socket).then(tell);
      return false;
    },
  });
  await setting.know(...known.map(key => ({ ...server, key })));
  const connecting = connect(setting.connector(), setting.host(server), control);
  const offer = await told;
  control.abort();
  await expect(connecting).rejects.toThrow(/INTERRUPTED/);
  await server.close();
  return offer;
}

describe('the handshake', () => {
  it('offers nothing that rests on SHA-1, MD5, CBC or a small group', async () => {
    const offer = await offerTo();
    expect(Object.values(offer).flat()).not.toHaveLength(0);
    const weak = /sha1|md5|cbc|arcfour|3des|^ssh-rsa$|ssh-dss|group1-|group14-sha1|umac/;
    expect(
      Object.values(offer)
        .flat()
        .filter(name => weak.test(name)),
    ).toEqual([]);
  });

  it('offers strict key exchange, and no compression', async () => {
    const { kex, compress } = await offerTo();
    expect(kex).toContain('kex-strict-c-v00@openssh.com');
    expect(compress).toEqual(['none', 'none']);
  });

  it('asks first for the kinds of keys that known_hosts has, and for all the others after them', async () => {
    const { hostKey: usual } = await offerTo();
    const { hostKey: rsa } = await offerTo(makeKeys('rsa').public);
    expect(rsa.slice(0, 2)).toEqual(['rsa-sha2-512', 'rsa-sha2-256']);
    const { hostKey: two } = await offerTo(makeKeys('rsa').public, makeKeys('ecdsa').public);
    expect(two.slice(0, 3)).toEqual(['ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256']);
    for (const order of [rsa, two]) expect([...order].sort()).toEqual([...usual].sort());
  });
});
