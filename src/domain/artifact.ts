/** An artifact: one file at a URL that holds a packed release. Its URL may hold secrets, so that only `showUrl` is shown. */

import type { ReleaseId } from './release.ts';

/** Where an artifact is, and which release it has to hold. */
export interface ArtifactSource {
  /** http or https, without a fragment, in the characters of RFC 3986. */
  readonly url: string;
  /** Null: whatever is there. */
  readonly release: ReleaseId | null;
}

/** What is wrong with a URL, and how to mend it; it repeats nothing of the URL. */
export type UrlMistake = readonly [what: string, hint: string];

export type UrlReading = { readonly source: ArtifactSource } | { readonly mistake: UrlMistake };

/** Whether a release that somebody names is meant as a URL. */
export function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
}

/** @param text a URL; `#sha256:...` behind it is the id of the release that has to be there */
export function readUrl(text: string): UrlReading {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    return { mistake: ['is no http or https URL', 'Write it such as https://files.example.com/site.tar.gz'] };
  const release = url.hash === '' ? null : url.hash.slice(1);
  if (release !== null && !isReleaseId(release))
    return {
      mistake: ['has something else than the id of a release behind its #', 'Write #sha256: and 64 hex digits'],
    };
  url.hash = '';
  // No program takes what is left for a quote or an escape.
  return { source: { url: url.href.replaceAll('\\', '%5C'), release } };
}

/** Origin and path: neither a password nor the token of a query. */
export function showUrl(url: string): string {
  if (!URL.canParse(url)) return 'the URL';
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** A text of somebody else with every URL in it shown like ours. */
export function hideSecrets(text: string): string {
  return text.replace(/https?:\/\/[^\s'"<>]+/gi, showUrl);
}

export function isReleaseId(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}
