#!/bin/sh
# The entire host side of fleetflip: POSIX sh for dash, bash and busybox, with GNU or busybox tools.
# docs/protocol.md explains the verbs. By hand: sh agent.sh status ROOT NAME

# shellcheck disable=SC2015 # `a && b || c` is meant: c also answers for b

set -u
LC_ALL=C
export LC_ALL
unset CDPATH ENV
IFS=' 	
'

# ---- vocabulary ------------------------------------------------------------------------------------------------

NL='
'

say() { printf '%s + %s\n' "$id" "$*"; }

# The last line of an answer. A verb that refuses says so and returns 1.
say_no() {
  word "$2"
  printf '%s no %s %s\n' "$id" "$1" "$w"
  return 1
}

# Sets w: the word that stands for any bytes.
word() {
  case $1 in
    '') w='~' ;;
    *[!A-Za-z0-9._:/@+=,-]*)
      w=$(printf '%s' "$1" | od -An -v -b | tr -d '\n' | sed 's/ /\\0/g') ;;
    *) w=$1 ;;
  esac
}

# Sets words: each argument as a word, with a space before it.
to_words() {
  words=
  for one; do
    word "$one"
    words="$words $w"
  done
}

# Sets v: the bytes that a word stands for. The dot keeps newlines at the end.
unword() {
  case $1 in
    '~') v= ;;
    *\\*)
      v=$(printf '%b.' "$1")
      v=${v%.} ;;
    *) v=$1 ;;
  esac
}

# Sets free: the null of the protocol for an empty value.
or_null() { if [ -n "$1" ]; then w=$1; else w='~'; fi; }

has() { command -v "$1" >/dev/null 2>&1; }

safe_part() {
  case $1 in
    '' | . | .. | */* | -* | *[!A-Za-z0-9._+@=,:-]*) return 1 ;;
  esac
}

flush() { sync "$@" 2>/dev/null || sync; }

sum() {
  if has sha256sum; then sha256sum; else openssl dgst -sha256 -r; fi | cut -c 1-64
}

now() { date +%s; }

boot_id() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown; }

# When a process began, in ticks; empty where there is no /proc.
start_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# ---- the record ------------------------------------------------------------------------------------------------

# set_up ROOT NAME SLOT...: where everything is.
set_up() {
  root=$1
  name=$2
  shift 2
  [ $# -gt 0 ] || set -- "${name}_l" "${name}_r"
  slots=$*
  record=$root/.$name.fleetflip
  link=$root/$name
  token=
  id=0
  # A record in a setgid root is shared with the group, any other is the login's own.
  if [ -g "$root" ]; then umask 007; else umask 077; fi
  for one in "$name" "$@"; do
    safe_part "$one" || {
      echo "fleetflip: '$one' cannot be the name of a link or slot" >&2
      return 1
    }
  done
}

known_slot() {
  for one in $slots; do
    [ "$one" = "$1" ] && return 0
  done
  return 1
}

# write_record FILE KEY VALUE ...: one file, whole or not at all, flushed.
write_record() {
  target=$1
  shift
  {
    while [ $# -gt 1 ]; do
      word "$2"
      printf '%s=%s\n' "$1" "$w" || return 1
      shift 2
    done
  } >"$target.new" || return 1
  end=$(sum <"$target.new") && [ -n "$end" ] &&
    printf 'end %s\n' "$end" >>"$target.new" &&
    flush "$target.new" && mv -f "$target.new" "$target" && flush "$record"
}

# A record that was cut, or altered, is not believed.
whole_record() {
  [ -f "$1" ] || return 1
  [ "$(sed '$d' "$1" | sum)" = "$(sed -n '$s/^end //p' "$1")" ]
}

# get FILE KEY: sets v.
get() {
  v=$(sed -n "s/^$2=//p" "$1" 2>/dev/null)
  [ -n "$v" ] || v='~'
  unword "$v"
}

# Sets state, run and the fields of the deployment in the record; state is empty when there is none.
read_run() {
  state=
  for one in armed flipped confirmed reverted; do
    if whole_record "$record/run.$one"; then
      state=$one
      run=$record/run.$one
      get "$run" deployment; run_id=$v
      return 0
    fi
  done
  return 0
}

is_settled() {
  read_run
  case $state in armed | flipped) return 1 ;; *) return 0 ;; esac
}

# Sets at: the slot that the live link points to, and text: what the link says. Both empty when it is no such link.
read_link() {
  at=
  text=
  [ -L "$link" ] || return 0
  text=$(readlink -n "$link"; echo .)
  text=${text%.}
  pointed=${text%/}
  pointed=${pointed#./}
  for one in $slots; do
    case $pointed in
      "$one" | "$root/$one") at=$one ;;
    esac
  done
}

# read_slot SLOT: sets s_state, s_release, s_label, s_role, s_found, s_at.
read_slot() {
  s_state=empty s_release='' s_label='' s_role='' s_found=no s_at=''
  [ -d "$root/$1" ] || return 0
  file=$record/slot.$1
  if whole_record "$file"; then
    get "$file" state; s_state=$v
    get "$file" release; s_release=$v
    get "$file" label; s_label=$v
    get "$file" role; s_role=$v
    get "$file" found; s_found=$v
    get "$file" at; s_at=$v
  elif [ -n "$(find "$root/$1/." ! -name . -print 2>/dev/null | head -n 1)" ]; then
    s_state=unproven
  fi
}

# write_slot SLOT STATE RELEASE LABEL ROLE FOUND
write_slot() {
  write_record "$record/slot.$1" state "$2" release "$3" label "$4" role "$5" found "$6" at "$(now)" boot "$(boot_id)"
}

set_role() {
  read_slot "$1"
  [ -f "$record/slot.$1" ] || return 0
  [ "$s_role" = "$2" ] || write_slot "$1" "$s_state" "$s_release" "$s_label" "$2" "$s_found"
}

add_history() {
  get "$run" command; h_command=$v
  get "$run" owner; h_owner=$v
  get "$run" slot; h_slot=$v
  get "$run" release; h_release=$v
  get "$run" label; h_label=$v
  to_words "$(now)" "$run_id" "$h_command" "$h_owner" "$1" "$h_slot" "$h_release" "$h_label"
  printf '%s\n' "${words# }" >>"$record/history"
}

# ---- renaming --------------------------------------------------------------------------------------------------

# rename_onto METHOD NEW TARGET: one rename(2) of a link onto a link.
rename_onto() {
  case $1 in
    mv-T) mv -fT "$2" "$3" ;;
    mv-into)
      mkdir -p "$2.d" && mv -f "$2" "$2.d/${3##*/}" && mv -f "$2.d/${3##*/}" "${3%/*}/" && rmdir "$2.d" ;;
    *) return 1 ;;
  esac
}

# try_rename METHOD DIR: whether a link to a directory is really replaced there.
try_rename() {
  rm -rf "$2/try" && mkdir -p "$2/try/a" "$2/try/b" && ln -s a "$2/try/live" && ln -s b "$2/try/new" || return 1
  rename_onto "$1" "$2/try/new" "$2/try/live" >/dev/null 2>&1
  tried=$(readlink "$2/try/live")
  inside=$(find "$2/try/a" "$2/try/b" -type l)
  rm -rf "$2/try"
  [ "$tried" = b ] && [ -z "$inside" ]
}

# Sets method: how this host renames onto a link, tried in DIR.
find_method() {
  for method in mv-T mv-into; do
    try_rename "$method" "$1" && return 0
  done
  method=none
}

# put_link TEXT: the live link says TEXT from one instant to the next.
put_link() {
  rm -rf "$record/put" "$record/put.d"
  ln -s -- "$1" "$record/put" && rename_onto "$2" "$record/put" "$link" || return 1
  [ "$(readlink -n "$link"; echo .)" = "$1." ]
}

# ---- the lock --------------------------------------------------------------------------------------------------

# Sets g: the newest generation, 0 when there is none, and holder: what it says.
newest_lock() {
  g=0
  for one in "$record/locks"/g.*; do
    [ -L "$one" ] || continue
    n=${one##*/g.}
    [ "$n" -gt "$g" ] && g=$n
  done
  holder=
  [ "$g" -eq 0 ] || holder=$(readlink "$record/locks/g.$g")
  [ "$holder" != free ] || holder=
}

# Splits holder into l_pid, l_start, l_boot, l_deployment, l_owner, l_command, l_since; all words.
split_holder() {
  old_ifs=$IFS
  IFS=' '
  # shellcheck disable=SC2086 # the words hold no blanks or patterns
  set -- $holder
  IFS=$old_ifs
  l_pid=$1 l_start=$2 l_boot=$3 l_deployment=$4 l_owner=$5 l_command=$6 l_since=$7
}

is_alive() {
  [ "$l_boot" = "$(boot_id)" ] || return 1
  if [ "$l_start" != '~' ]; then [ "$(start_of "$l_pid")" = "$l_start" ]; else kill -0 "$l_pid" 2>/dev/null; fi
}

verb_lock() {
  mkdir -p "$record/locks" || { say_no WRITE_FAILED "cannot write to $record"; return; }
  newest_lock
  if [ -n "$holder" ]; then
    split_holder
    if is_alive; then
      [ "$l_deployment" != "$1" ] || { say_no SAME "$record is locked by this deployment already"; return; }
      say "holder $l_deployment $l_owner $l_command $l_since"
      say_no LOCKED "another deployment holds the lock"
      return
    fi
  fi
  mine=$((g + 1))
  or_null "$(start_of $$)"
  started=$w
  to_words "$1" "$2" "$3" "$(now)"
  if ! ln -s "$$ $started $(boot_id)$words" "$record/locks/g.$mine" 2>/dev/null; then
    [ -L "$record/locks/g.$mine" ] || { say_no WRITE_FAILED "cannot write to $record/locks"; return; }
    say_no LOCKED "another deployment took the lock just now"
    return
  fi
  token=$mine
  forget_locks
  say "token $token"
}

# Old generations are kept for a while: one that was just deleted could be made a second time.
forget_locks() {
  old=$((token - 50))
  while [ "$old" -gt 0 ] && [ -L "$record/locks/g.$old" ]; do
    rm -f "$record/locks/g.$old"
    old=$((old - 1))
  done
}

# free_lock N: the generation says free.
free_lock() {
  ln -s free "$record/locks/free.$$" && rename_onto mv-T "$record/locks/free.$$" "$record/locks/g.$1" 2>/dev/null && return 0
  rm -f "$record/locks/free.$$" "$record/locks/g.$1"
  ln -s free "$record/locks/g.$1"
}

holds_lock() {
  [ -n "$token" ] || return 1
  newest_lock
  [ "$g" = "$token" ] && [ -n "$holder" ]
}

need_lock() { holds_lock || say_no NOT_LOCKED "this session does not hold the lock"; }

verb_unlock() {
  if holds_lock; then free_lock "$token"; fi
  token=
}

verb_break_lock() {
  is_settled || { say_no UNSETTLED "deployment $run_id is not settled"; return; }
  newest_lock
  [ -n "$holder" ] || return 0
  split_holder
  say "holder $l_deployment $l_owner $l_command $l_since"
  free_lock "$g"
}

# ---- reading ---------------------------------------------------------------------------------------------------

# scan DIR OUT: writes OUT.manifest and OUT.times, and sets scanned (the id), timed and entries.
scan() {
  here=$2
  (
    cd "$1" &&
      find . ! -name . -print0 | sort -z >"$here.names" &&
      find . -type f -print0 | sort -z >"$here.files" &&
      find . -type l -print0 | sort -z >"$here.links" &&
      : >"$here.stat" && : >"$here.sums" && : >"$here.targets" || exit 1
    [ ! -s "$here.names" ] || xargs -0 stat -c '%f %a %s %Y' -- <"$here.names" >"$here.stat" || exit 1
    [ ! -s "$here.files" ] || hash_files <"$here.files" >"$here.sums" || exit 1
    # shellcheck disable=SC2016 # expanded by the inner shell
    [ ! -s "$here.links" ] ||
      xargs -0 sh -c 'for p do readlink -n -- "$p" || exit 255; printf "\\0"; done' sh <"$here.links" >"$here.targets"
  ) || return 1
  tabulate "$2" >"$2.table" || return 1
  sed -n 's/^time //p' "$2.table" >"$2.times"
  {
    echo 'fleetflip manifest 1'
    sed '/^time /d' "$2.table"
    echo
    cat "$2.names" "$2.targets"
  } >"$2.manifest" || return 1
  scanned=sha256:$(sum <"$2.manifest")
  timed=$(sum <"$2.times")
  entries=$(wc -l <"$2.times" | tr -d ' ')
  [ ${#scanned} -eq 71 ]
}

# Of each line only the digest is read: tools print odd names in different ways.
hash_files() {
  if has sha256sum; then xargs -0 sha256sum --; else xargs -0 openssl dgst -sha256 -r; fi |
    sed -n 's/^\\\{0,1\}\([0-9a-f]\{64\}\) [ *]\.\/.*/\1/p'
}

# Joins kinds, modes and sizes with the digests of the files, in order. Fails when there are more or fewer of them.
tabulate() {
  awk -v sums="$1.sums" '
    { kind = substr($1, 1, 1); if (length($1) < 4) kind = "?"; mode = $2 }
    kind == "8" { if ((getline sum < sums) <= 0) exit 1; print "f " mode " " $3 " " sum }
    kind == "4" { print "d " substr(mode, length(mode) - 2) }
    kind == "a" { print "l" }
    kind != "8" && kind != "4" && kind != "a" { print "x" }
    { print "time " $4 }
    END { if ((getline sum < sums) > 0) exit 1 }' "$1.stat"
}

# Sets work: a private directory for a scan, gone when the session ends.
need_work() {
  [ -z "${work:-}" ] || return 0
  work=$(mktemp -d "${TMPDIR:-/tmp}/fleetflip.XXXXXX" 2>/dev/null) || work=$(mktemp -d "$record/work.XXXXXX" 2>/dev/null) || work=
  [ -n "$work" ]
}

say_scan() { say "scan $1 $scanned $timed $entries"; }

verb_fetch() {
  known_slot "$1" || { say_no NO_SLOT "$1 is no slot"; return; }
  if [ "$2" = record ]; then
    say_blob manifest "$record/slot.$1.manifest"
  else
    say_blob manifest "$work/$1.manifest" && say_blob times "$work/$1.times"
  fi
}

say_blob() {
  [ -f "$2" ] || { say_no NOT_SCANNED "there is no such file"; return; }
  printf '%s blob %s %s\n' "$id" "$1" "$(wc -c <"$2" | tr -d ' ')"
  cat "$2"
  echo
}

verb_probe() {
  word "$(hostname 2>/dev/null || cat /proc/sys/kernel/hostname 2>/dev/null || echo unknown)"
  say "hostname $w"
  say "boot $(boot_id)"
  say_tools
  say_space
  say_name
  for slot in $slots; do say_slot "$slot"; done
  say_holder
  say_run
  say_newest
  case $1 in
    live) [ -z "$at" ] || scan_slot "$at" ;;
    all) for slot in $slots; do [ ! -d "$root/$slot" ] || scan_slot "$slot" || return; done ;;
  esac
}

say_tools() {
  for tool in tar find sort xargs stat awk sed mv ln rm mkdir readlink od dd tr wc cut; do
    has "$tool" || say "missing $tool"
  done
  has sha256sum || has openssl || say "missing sha256sum"
  printf 'b\0a\0' | sort -z >/dev/null 2>&1 || say "missing sort-z"
  if [ -w "$root" ] && [ -x "$root" ] && { [ ! -e "$record" ] || [ -w "$record" ]; }; then
    say "writable yes"
  else
    say "writable no"
  fi
  # Without the lock nothing is written beside the site.
  if [ -n "$token" ]; then find_method "$record"; elif need_work; then find_method "$work"; else method=none; fi
  say "rename $method"
}

say_space() {
  bytes=$(df -Pk "$root" 2>/dev/null | awk 'NR == 2 && $4 ~ /^[0-9]+$/ { printf "%.0f", $4 * 1024 }')
  inodes=$(df -Pi "$root" 2>/dev/null | awk 'NR == 2 && $4 ~ /^[0-9]+$/ && $2 > 0 { print $4 }')
  say "free ${bytes:-~} ${inodes:-~}"
}

say_name() {
  read_link
  if [ -n "$text" ]; then
    word "$text"
    say "link text $w"
    [ -z "$at" ] || say "points $at"
  elif [ -d "$link" ]; then say "link directory"
  elif [ -e "$link" ]; then say "link other"
  else say "link none"; fi
}

say_slot() {
  read_slot "$1"
  if [ -d "$root/$1" ]; then there=yes; else there=no; fi
  to_words "$s_release" "$s_label" "$s_role" "$s_found" "$s_at"
  say "slot $1 $there $s_state$words"
}

say_holder() {
  newest_lock
  [ -n "$holder" ] || return 0
  split_holder
  if is_alive; then alive=yes; else alive=no; fi
  say "lock $l_deployment $l_owner $l_command $l_since $alive"
}

say_run() {
  read_run
  [ -n "$state" ] || return 0
  get "$run" from; from=$v
  get "$run" slot; to=$v
  get "$run" release; release=$v
  get "$run" label; label=$v
  get "$run" decider; decider=$v
  get "$run" at; when=$v
  to_words "$run_id" "$state" "$from" "$to" "$release" "$label" "$decider" "$when"
  say "deployment$words"
  get "$run" participants
  old_ifs=$IFS
  IFS=$NL
  for one in $v; do
    word "$one"
    say "participant $w"
  done
  IFS=$old_ifs
}

say_newest() {
  newest=0
  for slot in $slots; do
    [ -d "$root/$slot" ] || continue
    one=$(find "$root/$slot" -type f -print0 2>/dev/null | xargs -0 stat -c %Y -- 2>/dev/null | sort -n | tail -n 1)
    [ "${one:-0}" -le "$newest" ] || newest=$one
  done
  say "newest $newest"
}

scan_slot() {
  need_work && scan "$root/$1" "$work/$1" || { say_no SCAN_FAILED "$1 could not be read"; return; }
  say_scan "$1"
}

verb_history() {
  [ -f "$record/history" ] || return 0
  while read -r line; do say "run $line"; done <"$record/history"
}

verb_clock() {
  clock
  say "now $t"
}

# Sets t: seconds and a fraction, or the null of the protocol where no clock is finer than a second.
clock() {
  t=$(date +%s.%N 2>/dev/null)
  # shellcheck disable=SC3028 # bash and busybox have it, elsewhere it is empty
  case $t in *[!0-9.]* | '') t=${EPOCHREALTIME:-} ;; esac
  case $t in *[!0-9.]* | '') t='~' ;; esac
}

# ---- phase one -------------------------------------------------------------------------------------------------

verb_begin() {
  need_lock || return
  known_slot "$1" || { say_no NO_SLOT "$1 is no slot"; return; }
  is_settled || { say_no UNSETTLED "deployment $run_id is not settled"; return; }
  read_link
  [ "$at" != "$1" ] || { say_no SLOT_IS_LIVE "the live link points to $1"; return; }
  { [ -d "$root/$1" ] || mkdir "$root/$1"; } && chmod 755 "$root/$1" &&
    write_slot "$1" unproven "$2" "$3" '' no && rm -f "$record/slot.$1.manifest" "$record/slot.$1.times" ||
    { say_no WRITE_FAILED "cannot write to $root"; return; }
}

verb_prove() {
  need_lock || return
  known_slot "$1" || { say_no NO_SLOT "$1 is no slot"; return; }
  need_work && scan "$root/$1" "$work/$1" || { say_no SCAN_FAILED "$1 could not be read"; return; }
  if [ "$scanned" != "$2" ]; then
    say_scan "$1"
    return
  fi
  read_slot "$1"
  flush && { [ "$s_state" = verified ] || { store_scan "$1" && write_slot "$1" verified "$3" "$4" staged no; }; } ||
    { say_no WRITE_FAILED "cannot write to $record"; return; }
  say proven
}

store_scan() {
  for kind in manifest times; do
    cp "$work/$1.$kind" "$record/slot.$1.$kind.new" && flush "$record/slot.$1.$kind.new" &&
      mv -f "$record/slot.$1.$kind.new" "$record/slot.$1.$kind" || return 1
  done
}

verb_record() {
  need_lock || return
  known_slot "$1" && [ -d "$root/$1" ] || { say_no NO_SLOT "$1 is no slot"; return; }
  need_work && scan "$root/$1" "$work/$1" || { say_no SCAN_FAILED "$1 could not be read"; return; }
  flush && store_scan "$1" && write_slot "$1" verified "$scanned" '' '' yes ||
    say_no WRITE_FAILED "cannot write to $record"
}

# Shells differ in how they name a group; without setsid there is only the process.
kill_group() {
  kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "-$2" 2>/dev/null || kill -s "$1" "$2" 2>/dev/null
}

verb_run() {
  known_slot "$1" || { say_no NO_SLOT "$1 is no slot"; return; }
  need_work || { say_no WRITE_FAILED "no directory for the output"; return; }
  rm -f "$work/ended"
  (
    umask 022
    cd "$root/$1" || exit 126
    # A group of its own, so that nothing of it outlives its time.
    if has setsid; then exec setsid sh -c "$3"; else exec sh -c "$3"; fi
  ) </dev/null >"$work/output" 2>&1 &
  child=$!
  (
    sleep "$2" &
    nap=$!
    trap 'kill $nap 2>/dev/null; exit 0' TERM
    wait $nap
    : >"$work/ended"
    kill_group TERM "$child"
    sleep 1
    kill_group KILL "$child"
  ) </dev/null >/dev/null 2>&1 &
  watch=$!
  wait "$child"
  code=$?
  kill -TERM "$watch" 2>/dev/null
  wait "$watch" 2>/dev/null
  [ ! -e "$work/ended" ] || code='~'
  say "exit $code"
  head -c 65536 "$work/output" >"$work/bounded"
  say_blob output "$work/bounded"
}

# receive ROOT NAME SLOT lists|archive FROM, payload on standard input.
receive() {
  slot=$3
  kind=$4
  from=$5
  slots="$slot $from"
  read_slot "$slot"
  [ "$s_state" = unproven ] && [ -d "$root/$slot" ] || { fail_receive "$slot was not made ready"; return; }
  newest_lock
  [ -n "$holder" ] || { fail_receive "the lock is not held"; return; }
  case $kind in
    archive) (umask 022 && cd "$root/$slot" && tar -xopf -) 2>"$record/receive.$$" ;;
    lists) take_lists 2>"$record/receive.$$" ;;
    *) false ;;
  esac || { fail_receive "$(head -c 2000 "$record/receive.$$")"; return; }
  rm -f "$record/receive.$$"
  echo 'done'
}

fail_receive() {
  rm -f "$record/receive.$$"
  word "$1"
  printf 'failed %s\n' "$w"
  return 1
}

take_lists() {
  lists=$record/lists.$$
  rm -rf "$lists" && mkdir "$lists" && tar -xopf - -C "$lists" || return 1
  (umask 022 && cd "$root/$slot" && { [ ! -s "$lists/remove" ] || xargs -0 rm -rf -- <"$lists/remove"; } &&
    { [ ! -s "$lists/copy" ] || copy_files; })
  taken=$?
  rm -rf "$lists"
  return $taken
}

# From the live slot, with the mtimes. Not every tar reads lists, so the names are arguments; what a broken pipe loses is
# found by the proof.
copy_files() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  # GNU tar takes a backslash in a name for an escape, unless it is told not to.
  case $(tar --version 2>/dev/null) in *GNU*) create='tar --no-unquote -cf - "$@"' ;; *) create='tar -cf - "$@"' ;; esac
  # shellcheck disable=SC2016
  (cd "$root/$from" && xargs -0 sh -c "$create"' | (cd "$0" && tar -xopf -)' "$root/$slot" <"$lists/copy")
}

# ---- phase two -------------------------------------------------------------------------------------------------

# arm SLOT RELEASE LABEL DEPLOYMENT COMMAND OWNER DECIDER PARTICIPANT...
verb_arm() {
  need_lock || return
  known_slot "$1" || { say_no NO_SLOT "$1 is no slot"; return; }
  is_settled || { say_no UNSETTLED "deployment $run_id is not settled"; return; }
  read_slot "$1"
  [ "$s_state" = verified ] && [ "$s_release" = "$2" ] && [ -d "$root/$1" ] ||
    { say_no UNPROVEN "$1 is not proven to hold the release"; return; }
  find_method "$record"
  [ "$method" != none ] || { say_no NO_RENAME "no program of this host renames onto a link"; return; }
  read_link
  [ -n "$at" ] || { [ ! -e "$link" ] && [ ! -L "$link" ]; } || { say_no LINK_ELSEWHERE "$text"; return; }
  slot=$1 release=$2 label=$3 deployment=$4 command=$5 owner=$6 decider=$7
  shift 7
  participants=
  for one; do participants="$participants$one$NL"; done
  previous=$at
  rm -f "$record/arm.there" "$record/arm.back" "$record/run.armed" "$record/run.flipped"
  ln -s "$slot" "$record/arm.there" && { [ -z "$text" ] || ln -s -- "$text" "$record/arm.back"; } &&
    write_record "$record/run.armed" deployment "$deployment" slot "$slot" from "$text" previous "$previous" \
      release "$release" label "$label" command "$command" owner "$owner" decider "$decider" \
      participants "$participants" method "$method" at "$(now)" ||
    { rm -f "$record/run.armed"; say_no WRITE_FAILED "cannot write to $record"; return; }
  rm -f "$record/run.confirmed" "$record/run.reverted"
  word "$text"
  say "from $w"
}

# need_run DEPLOYMENT: the record is of this deployment.
need_run() {
  read_run
  [ -n "$state" ] && [ "$run_id" = "$1" ] || say_no NOT_ARMED "the record holds no deployment $1"
}

# move STATE: from the present state to another, by one rename that only one contender wins.
move() {
  mv "$run" "$record/run.$1" 2>/dev/null || return 1
  run=$record/run.$1
  state=$1
}

verb_flip() {
  need_run "$1" || return
  need_lock || return
  [ "$state" = armed ] && move flipped || { say_no NOT_ARMED "the deployment is $state"; return; }
  get "$run" method; method=$v
  get "$run" slot; slot=$v
  rename_onto "$method" "$record/arm.there" "$link" 2>"$record/error"
  clock
  if [ "$(readlink "$link")" = "$slot" ]; then
    say "at $t"
  else
    say_no FLIP_FAILED "$(head -c 500 "$record/error")"
  fi
}

verb_revert() {
  need_run "$1" || return
  case $state in
    reverted) return 0 ;;
    confirmed) say_no CONFIRMED "the deployment is confirmed"; return ;;
  esac
  was=$state
  get "$run" slot; slot=$v
  put_back || { say_no REVERT_FAILED "the link could not be put back: $(head -c 500 "$record/error" 2>/dev/null)"; return; }
  move reverted || { say_no WRITE_FAILED "cannot write to $record"; return; }
  flush "$record"
  rm -f "$record/arm.there" "$record/arm.back"
  [ "$was" != flipped ] || set_role "$slot" rejected
  add_history reverted
}

# The link says what it said before, to the letter; where there was none, it is removed.
put_back() {
  get "$run" from; from=$v
  get "$run" method; method=$v
  read_link
  [ "$text" != "$from" ] || return 0
  if [ -z "$from" ]; then
    [ "$text" = "$slot" ] && rm -f "$link" && [ ! -L "$link" ]
    return
  fi
  if [ -L "$record/arm.back" ] && rename_onto "$method" "$record/arm.back" "$link" 2>"$record/error"; then
    [ "$(readlink -n "$link"; echo .)" = "$from." ] && return 0
  fi
  put_link "$from" "$method" 2>"$record/error"
}

verb_confirm() {
  need_run "$1" || return
  case $state in
    confirmed) return 0 ;;
    reverted) say_no REVERTED "the deployment was reverted"; return ;;
    armed) say_no NOT_FLIPPED "the link was not flipped"; return ;;
  esac
  move confirmed || { say_no WRITE_FAILED "cannot write to $record"; return; }
  flush "$record"
  settle_roles
  add_history committed
}

settle_roles() {
  get "$run" slot; slot=$v
  get "$run" previous; previous=$v
  rm -f "$record/arm.there" "$record/arm.back"
  for one_slot in $slots; do
    case $one_slot in
      "$slot") set_role "$one_slot" '' ;;
      "$previous") set_role "$one_slot" previous ;;
      *) set_role "$one_slot" '' ;;
    esac
  done
}

verb_forward() {
  need_run "$1" || return
  [ "$state" != confirmed ] || return 0
  get "$run" slot; slot=$v
  get "$run" method; method=$v
  put_link "$slot" "$method" 2>"$record/error" && move confirmed ||
    { say_no FLIP_FAILED "$(head -c 500 "$record/error")"; return; }
  flush "$record"
  settle_roles
  add_history committed
}

# ---- adopting, trying ------------------------------------------------------------------------------------------

verb_adopt() {
  need_lock || return
  is_settled || { say_no UNSETTLED "deployment $run_id is not settled"; return; }
  [ -d "$link/." ] || { say_no NO_DIRECTORY "$link is no directory"; return; }
  known_slot "$2" || { say_no NO_SLOT "$2 is no slot"; return; }
  if [ -e "$root/$2" ] || [ -L "$root/$2" ]; then
    rmdir "$root/$2" 2>/dev/null || { say_no SLOT_TAKEN "$root/$2 exists and is not empty"; return; }
  fi
  if [ -L "$link" ]; then
    adopt_copy "$2" && say "adopted $2 copied"
  elif exchange "$2"; then
    say "adopted $2 atomic"
  elif [ "$1" = gap ]; then
    mv "$link" "$root/$2" && ln -s "$2" "$link" || { say_no WRITE_FAILED "cannot write to $root"; return; }
    say "adopted $2 gap"
  else
    say_no NEEDS_GAP "this host cannot exchange two names in one step"
  fi
}

# What a link elsewhere points to is copied into the slot, proven equal, and only then is the link moved.
adopt_copy() {
  find_method "$record"
  need_work && mkdir "$root/$1" && copy_pointed "$1" && scan "$link/." "$work/there" && there=$scanned &&
    scan "$root/$1" "$work/here" && [ "$there" = "$scanned" ] ||
    { rm -rf "${root:?}/$1"; say_no ADOPT_FAILED "$(readlink "$link") could not be copied, or changed meanwhile"; return; }
  moved=$(find_moved "$root/$1")
  [ -z "$moved" ] ||
    { rm -rf "${root:?}/$1"; say_no LINKS_OUTSIDE "in a copy these links would point elsewhere: $moved"; return; }
  flush && put_link "$1" "$method" || { say_no WRITE_FAILED "cannot write to $root"; return; }
}

copy_pointed() {
  (cd "$link/." && tar -cf - .) | (umask 022 && cd "$root/$1" && tar -xopf -) && chmod 755 "$root/$1"
}

# find_moved DIR: links of the copy that do not lead to where they led, or to its counterpart in the copy.
find_moved() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  (cd "$link/." && find . -type l -print0 | xargs -0 sh -c '
    old=$(pwd -P) new=$(cd "$0" && pwd -P)
    for p do
      led=$(readlink -f -- "$p") leads=$(cd "$new" && readlink -f -- "$p")
      case $led in "$old"/*) led=$new${led#"$old"} ;; esac
      [ "$led" = "$leads" ] || printf "%s " "$p"
    done' "$1")
}

# The link is made under the slot's name, and then both names are exchanged by renameat2(RENAME_EXCHANGE).
exchange() {
  ln -s "$1" "$root/$1" || return 1
  case $(uname -m) in x86_64) call=316 ;; aarch64) call=276 ;; *) call= ;; esac
  if [ -n "$call" ] && has perl; then
    # shellcheck disable=SC2016 # perl expands it
    perl -e 'exit(syscall($ARGV[0] + 0, -100, $ARGV[1], -100, $ARGV[2], 2) == 0 ? 0 : 1)' "$call" "$link" "$root/$1" 2>/dev/null
  elif has python3; then
    python3 -c 'import ctypes, os, sys
libc = ctypes.CDLL(None)
sys.exit(0 if libc.renameat2(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), 2) == 0 else 1)' "$link" "$root/$1" 2>/dev/null
  else
    false
  fi
  if [ -L "$link" ] && [ -d "$root/$1" ] && [ ! -L "$root/$1" ]; then return 0; fi
  rm -f "$root/$1"
  return 1
}

verb_needs() {
  say_tools_as_problems
  if [ ! -d "$root" ]; then
    problem "the root directory $root does not exist"
  else
    need_work && touch -r "$root" "$work/root"
    try_root
    [ -z "$work" ] || touch -r "$work/root" "$root" 2>/dev/null
  fi
  return 0
}

# In a directory of its own that is gone again; the root gets its mtime back.
try_root() {
  if mkdir "$root/.$name.fleetflip-try.$$" 2>/dev/null; then
    find_method "$root/.$name.fleetflip-try.$$"
    [ "$method" != none ] || problem "no program of this host renames onto a link atomically"
    rm -rf "$root/.$name.fleetflip-try.$$"
  else
    problem "the login may not write to $root"
  fi
}

say_tools_as_problems() {
  for tool in tar find sort xargs stat awk sed mv ln rm mkdir readlink od dd tr wc cut; do
    has "$tool" || problem "the host lacks $tool"
  done
  has sha256sum || has openssl || problem "the host lacks sha256sum and openssl"
}

problem() {
  word "$1"
  say "problem $w"
}

# ---- ways in ---------------------------------------------------------------------------------------------------

clean_up() {
  [ -z "${work:-}" ] || rm -rf "$work"
  verb_unlock
}

# Reads requests until end of file. Verbs get no part of the requests as their input.
serve() {
  work=
  trap 'clean_up; exit 129' HUP INT TERM
  trap '' PIPE
  while read -r id verb rest; do
    # shellcheck disable=SC2086 # the words hold no blanks or patterns
    set -- $rest
    count=$#
    while [ "$count" -gt 0 ]; do
      unword "$1"
      shift
      set -- "$@" "$v"
      count=$((count - 1))
    done
    case $verb in
      probe | fetch | lock | unlock | break-lock | begin | prove | record | run | arm | flip | revert | confirm | forward | history | needs | adopt | clock)
        verb_"$(printf %s "$verb" | tr - _)" "$@" </dev/null && printf '%s ok\n' "$id" ;;
      *) say_no NO_VERB "$verb" ;;
    esac
  done
  clean_up
}

show_status() {
  read_link
  if [ -n "$text" ]; then echo "$link -> $text"; else echo "$link is no link"; fi
  for slot in $slots; do
    read_slot "$slot"
    mark=idle
    [ "$slot" != "$at" ] || mark=live
    echo "  $slot: $mark, $s_state, ${s_release:-no release} ${s_label} ${s_role}"
  done
  read_run
  [ -z "$state" ] || echo "  deployment $run_id: $state"
  newest_lock
  [ -z "$holder" ] || echo "  lock: $holder"
}

main() {
  verb=${1:-help}
  if [ "$verb" = help ] || [ $# -lt 3 ]; then
    echo 'usage: sh agent.sh status|serve ROOT NAME [SLOT...]'
    return 0
  fi
  shift
  case $verb in
    serve)
      set_up "$@" && serve ;;
    receive)
      set_up "$1" "$2" "$3" && receive "$@" ;;
    status)
      set_up "$@" && show_status ;;
    *)
      echo "fleetflip: no verb $verb" >&2
      return 2 ;;
  esac
}

main "$@" || exit 1
