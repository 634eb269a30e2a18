/** What goes wrong on a host, as scripts for `fake`. */

import { APP, type TestHost } from './fleet.ts';

/** For `mv`: nothing is renamed onto the live link, also where none is. */
export function refuseToMoveLink({ root }: TestHost): string {
  return `for last; do :; done
case $last in '${root}/${APP}' | '${root}/') echo 'mv: Operation not permitted' >&2; exit 1 ;; esac
exec $real "$@"`;
}

/** For `mv`: the live link is renamed onto only when there is a file \`go-on\` beside it, and then it fails. */
export function hangInFlip({ root }: TestHost): string {
  return `for last; do :; done
case $last in
  '${root}/${APP}' | '${root}/')
    until [ -e '${root}/go-on' ]; do sleep 0.1; done
    exit 1 ;;
esac
exec $real "$@"`;
}

/** For `df`: nobody knows how full the disk is. */
export const TELL_NO_SPACE = 'exit 1';
