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

has() { command -v "$1" >/dev/null 2>&1; }

safe_part() {
  case $1 in
    '' | . | .. | */* | -* | *[!A-Za-z0-9._+@=,:-]*) return 1 ;;
  esac
}

flush() { sync "$@" 2>/dev/null || sync; }

# Where sync can, the file system of the slot alone.
flush_slot() { flush -f "$root/$1"; }

# The SHA-256 of each file, or of the standard input; behind it stands a name.
digest() { if has sha256sum; then sha256sum "$@"; else openssl dgst -sha256 -r "$@"; fi; }

# Sets sum: the SHA-256 of the text.
sum_of() {
  sum=$(printf %s "$1" | digest)
  sum=${sum%% *}
}

# Sets sum: the SHA-256 of the file.
sum_file() {
  sum=$(digest <"$1")
  sum=${sum%% *}
}

now() { date +%s; }

# Sets boot: the id of this boot of the host.
find_boot() { read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id || boot=unknown; }

# Sets up: hundredths of a second on the monotonic clock of this boot; where there is none, on the wall clock.
uptime_now() {
  if read -r up _ 2>/dev/null </proc/uptime; then
    up=$((${up%.*} * 100 + 1${up#*.} - 100))
  else
    up=$(($(date +%s) * 100))
  fi
}

# Sets began: when a process began, in ticks; the null of the protocol when it has ended, and where there is no /proc.
find_start() {
  began='~'
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
  # shellcheck disable=SC2086 # numbers
  set -- ${stat##*) }
  [ "$1" = Z ] || began=${20}
}

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
  token='' owns=no work='' id=0 error='' waiter=''
  run='' run_id='' run_rec='' state='' method='' believed='' hasher='' trusted='' ticking=''
  # A record in a setgid root is shared with the group, any other is the login's own.
  if [ -g "$root" ]; then umask 007; else umask 077; fi
  find_boot
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

# write_record FILE KEY VALUE ...: it is believed when it has been sealed.
write_record() {
  target=$1
  shift
  rec=
  while [ $# -gt 1 ]; do
    word "$2"
    rec="$rec$1=$w$NL"
    shift 2
  done
  printf %s "$rec" >"$target"
}

# seal FILE...: the last line of each is the digest of those before it.
seal() {
  digests=$(digest "$@") || return 1
  for one; do
    sum=${digests%%[ "$NL"]*}
    digests=${digests#*"$NL"}
    printf 'end %s\n' "${sum#\\}" >>"$one" || return 1
  done
}

# place_record FILE: FILE.new takes its place, whole or not at all, flushed.
place_record() { flush "$1.new" && mv -f "$1.new" "$1" && flush "$record"; }

# load_record FILE: sets rec, for field; fails when the file was cut or altered, because then it is not believed. A text that
# was believed once is not summed again.
load_record() {
  rec='' sealed=''
  [ -f "$1" ] || return 1
  while IFS= read -r line; do
    case $line in 'end '*) sealed=${line#end } ;; *) rec="$rec$line$NL" ;; esac
  done <"$1"
  [ -n "$sealed" ] || return 1
  case $believed in *"$NL$NL${rec}end $sealed$NL"*) return 0 ;; esac
  sum_of "$rec"
  [ "$sum" = "$sealed" ] && believed="$believed$NL$NL${rec}end $sealed$NL"
}

# field KEY: sets v, from rec.
field() {
  case $NL$rec in
    *"$NL$1="*)
      v=$NL$rec
      v=${v#*"$NL$1="}
      unword "${v%%"$NL"*}" ;;
    *) v= ;;
  esac
}

# run_field KEY: sets v, from the deployment that read_run has found.
run_field() {
  rec=$run_rec
  field "$1"
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

# read_slot SLOT: sets s_state, s_release, s_label, s_role, s_found, s_at. What a decision made of a slot counts from the
# decision on, even if nobody has put it in place yet; which one there is, read_run has found.
read_slot() {
  s_state=empty s_release='' s_label='' s_role='' s_found=no s_at=''
  [ -d "$root/$1" ] || return 0
  file=$record/slot.$1
  [ ! -f "$record/be.$run_id.$state.$1" ] || file=$record/be.$run_id.$state.$1
  if load_record "$file"; then
    field state; s_state=$v
    field release; s_release=$v
    field label; s_label=$v
    field role; s_role=$v
    field found; s_found=$v
    field at; s_at=$v
  elif [ -n "$(find "$root/$1/." ! -name . -print 2>/dev/null | head -n 1)" ]; then
    s_state=unproven
  fi
}

# write_slot FILE STATE RELEASE LABEL ROLE FOUND AT
write_slot() {
  write_record "$1" state "$2" release "$3" label "$4" role "$5" found "$6" at "$7" boot "$boot"
}

# note_slot SLOT STATE RELEASE LABEL ROLE FOUND: what is in the slot from now on; what a deployment had made ready for it
# is void.
note_slot() {
  for one in "$record"/be.*."$1"; do [ ! -e "$one" ] || rm -f "$one"; done
  write_slot "$record/slot.$1.new" "$2" "$3" "$4" "$5" "$6" "$(now)" && seal "$record/slot.$1.new" && place_record "$record/slot.$1"
}

# ---- the deployment in the record ------------------------------------------------------------------------------

# A deployment is one file, run.TOKEN.ID.STATE, and goes on by being renamed. STATE is armed, reverting, reverted,
# forwarding or confirmed; whoever renames it has decided, and what follows from that is finished by anyone.

# Sets run (the file of the newest deployment), run_id and state; all empty when there is none. An armed deployment whose
# link has moved is flipped. A file that was cut or altered is torn.
read_run() {
  run_id='' run_rec='' state=''
  # A listing can miss a file that is being renamed; two in a row do not miss the same.
  find_run
  listed='?'
  while [ "$run" != "$listed" ]; do
    listed=$run
    find_run
  done
  [ -n "$run" ] || return 0
  state=${run##*.}
  run_id=${run##*/run."$newest_run".}
  run_id=${run_id%."$state"}
  if load_record "$run"; then
    run_rec=$rec
    [ "$state" != armed ] || ! has_flipped || state=flipped
  else
    # Between the listing and the reading it may have been renamed.
    [ -f "$run" ] || { read_run; return; }
    run_rec=$rec
    state=torn
  fi
}

# Sets run, and newest_run: the token under which it was armed.
find_run() {
  run='' newest_run=0
  for one in "$record"/run.*.*.*; do
    [ -f "$one" ] || continue
    part=${one##*/run.}
    case $part in *.new) continue ;; esac
    if [ "${part%%.*}" -ge "$newest_run" ]; then
      newest_run=${part%%.*}
      run=$one
    fi
  done
}

# The link that flips is either ready, or cancelled, or it is the live link now.
has_flipped() { [ ! -L "$record/there.$run_id/$name" ] && [ ! -L "$record/there.$run_id/cancelled" ]; }

is_settled() {
  read_run
  case $state in '' | confirmed | reverted) return 0 ;; *) return 1 ;; esac
}

# decide STATE: the deployment's file is renamed, which one contender can do; fails when another one has.
decide() {
  mv "$run" "${run%.*}.$1" 2>/dev/null || return 1
  run=${run%.*}.$1
  state=$1
}

TORN='the record of the deployment was cut or altered'

# need_run ID: the newest deployment is this one.
need_run() {
  read_run
  [ -n "$state" ] && [ "$run_id" = "$1" ] || say_no NOT_ARMED "the record holds no deployment $1"
}

# The link says what it said before, to the letter; where there was none, it is moved away. From here on no flip comes
# through: the link that it would rename is gone. Several may do it at once, however late one of them is: every step is a
# rename out of or into a directory of this deployment, which is gone once it is settled. Fails when another one has
# finished it.
take_back() {
  mv -f "$record/there.$run_id/$name" "$record/there.$run_id/cancelled" 2>/dev/null
  [ ! -L "$record/there.$run_id/cancelled" ] || return 0
  run_field from; from=$v
  run_field method; method=$v
  read_link
  [ "$text" != "$from" ] || return 0
  if [ -n "$from" ]; then
    error=$(rename_onto "$method" "$record/back.$run_id/$name" "$link" 2>&1)
  elif [ -L "$link" ]; then
    error=$(mv -f "$link" "$record/there.$run_id/removed" 2>&1)
  fi
  read_link
  [ "$text" = "$from" ]
}

# The link says what the deployment wants, whatever it says now.
take_forward() {
  run_field slot; slot=$v
  run_field method; method=$v
  read_link
  [ "$text" = "$slot" ] || put_link "$slot" "$method"
}

# Finishes what a decision on this host has begun; fails when it cannot be finished.
finish_run() {
  read_run
  carry_out
}

# The same for a deployment as it was read.
carry_out() {
  case $state in
    reverting) take_back && keep_staged keep && decide reverted || is_settled || return ;;
    forwarding) take_forward && decide confirmed || is_settled || return ;;
  esac
  case $state in confirmed | reverted) settle ;; esac
}

# What a decided deployment leaves: the slots' records that were made ready for it, and a line of history. Its directories go
# last: without them nothing is left to do.
settle() {
  [ -d "$record/there.$run_id" ] || return 0
  flush "$record"
  for one_slot in $slots; do
    [ ! -f "$record/be.$run_id.$state.$one_slot" ] ||
      mv -f "$record/be.$run_id.$state.$one_slot" "$record/slot.$one_slot"
  done
  grep -q -F " $run_id " "$record/history" 2>/dev/null || add_history 2>/dev/null
  rm -rf "$record/back.$run_id" "$record/guard.$run_id" "$record/there.$run_id"
}

add_history() {
  run_field command; h_command=$v
  run_field owner; h_owner=$v
  run_field slot; h_slot=$v
  run_field release; h_release=$v
  run_field label; h_label=$v
  case $state in confirmed) h_outcome=committed ;; *) h_outcome=$state ;; esac
  to_words "$(now)" "$run_id" "$h_command" "$h_owner" "$h_outcome" "$h_slot" "$h_release" "$h_label"
  printf '%s\n' "${words# }" >>"$record/history"
}

# ---- renaming --------------------------------------------------------------------------------------------------

# rename_onto METHOD NEW TARGET: one rename(2) of a link onto a link. NEW has the name of TARGET in another directory.
rename_onto() {
  case $1 in
    mv-T) mv -fT "$2" "$3" ;;
    mv-into) mv -f "$2" "${3%/*}/" ;;
    *) return 1 ;;
  esac
}

# try_rename METHOD DIR: whether a link to a directory is really replaced there.
try_rename() {
  rm -rf "$2/try" && mkdir -p "$2/try/a" "$2/try/b" "$2/try/new" && ln -s a "$2/try/live" && ln -s b "$2/try/new/live" ||
    return 1
  rename_onto "$1" "$2/try/new/live" "$2/try/live" >/dev/null 2>&1
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

# make_link TEXT DIR: DIR holds a link with the live link's name.
make_link() { rm -rf "$2" && mkdir "$2" && ln -s -- "$1" "$2/$name"; }

# put_link TEXT METHOD: the live link says TEXT from one instant to the next. Sets error when it does not.
put_link() {
  error=$({ make_link "$1" "$record/put.$$" && rename_onto "$2" "$record/put.$$/$name" "$link"; } 2>&1)
  rm -rf "$record/put.$$"
  read_link
  [ "$text" = "$1" ]
}

# ---- the lock --------------------------------------------------------------------------------------------------

# The lock is the newest generation, a link g.N that says who holds it; N is the fencing token. Its holder is alive while
# its pulse is: a file b.N.PID.UPTIME, renamed at every beat, so that beating needs no space.

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

# Splits holder into l_pid, l_start, l_boot, l_deployment, l_owner, l_command, l_since; all words; and l_lease, hundredths
# of a second.
split_holder() {
  old_ifs=$IFS
  IFS=' '
  # shellcheck disable=SC2086 # the words hold no blanks or patterns
  set -- $holder
  IFS=$old_ifs
  l_pid=$1 l_start=$2 l_boot=$3 l_deployment=$4 l_owner=$5 l_command=$6 l_since=$7 l_lease=${8:-0}
}

# last_beat PULSE: sets beat. A listing can miss a file that is being renamed: it is made again, and when that does not
# help, beat is left as it was.
last_beat() {
  tries=0
  while [ $((tries += 1)) -le 5 ]; do
    for one in "$1".*; do
      [ ! -e "$one" ] || { beat=${one##*.}; return; }
    done
  done
}

# A holder whose process is gone, or that has not beaten for as long as its lease, is no holder.
is_alive() {
  [ "$l_boot" = "$boot" ] || return 1
  beat=0
  last_beat "$record/locks/b.$g.$l_pid"
  uptime_now
  [ $((up - beat)) -le "$l_lease" ] || return 1
  # Where /proc hides what others run, the pulse alone counts.
  find_start "$l_pid"
  [ "$l_start" = '~' ] || [ ! -e /proc/1/stat ] || [ "$began" = "$l_start" ]
}

# lock DEPLOYMENT OWNER COMMAND LEASE
verb_lock() {
  [ -d "$record/locks" ] || mkdir -p "$record/locks" || { say_no WRITE_FAILED "cannot write to $record"; return; }
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
  pulse=$record/locks/b.$mine.$$
  uptime_now
  beaten=$up
  to_words "$1" "$2" "$3" "$(now)"
  find_start $$
  # Where a power cut took a generation back, a process of the same number may have beaten for it in an earlier boot.
  for one in "$pulse".*; do [ ! -e "$one" ] || rm -f "$one"; done
  : >"$pulse.$beaten" || { say_no WRITE_FAILED "cannot write to $record/locks"; return; }
  if ! ln -s "$$ $began $boot$words $4" "$record/locks/g.$mine" 2>/dev/null; then
    rm -f "$pulse.$beaten"
    [ -L "$record/locks/g.$mine" ] || { say_no WRITE_FAILED "cannot write to $record/locks"; return; }
    say_no LOCKED "another deployment took the lock just now"
    return
  fi
  token=$mine
  owns=yes
  # What is finished here moves the live link, so that the next holder ends it too when it stands still.
  note_writer && holds_lock && end_writers && finish_run || {
    forget_writer
    verb_unlock
    say_no STILL_RUNNING "what an earlier deployment left could not be ended or finished"
    return
  }
  forget_writer
  forget_locks
  say "token $token"
}

verb_beat() {
  [ "$owns" = yes ] && holds_lock || { say_no NOT_LOCKED "this session does not hold the lock"; return; }
  uptime_now
  [ "$up" = "$beaten" ] || mv "$pulse.$beaten" "$pulse.$up" || { say_no WRITE_FAILED "cannot write to $record/locks"; return; }
  beaten=$up
}

# use TOKEN: this session works under the lock that another one holds.
verb_use() {
  token=$1
  note_writer || { token=; say_no WRITE_FAILED "cannot write to $record/locks"; return; }
  need_lock || { forget_writer; token=; return 1; }
}

# Old generations are kept for a while: one that was just deleted could be made a second time. The pulses of deployments
# that are over are nobody's.
forget_locks() {
  old=$((token - 50))
  while [ "$old" -gt 0 ] && [ -L "$record/locks/g.$old" ]; do
    rm -f "$record/locks/g.$old"
    old=$((old - 1))
  done
  is_settled || return 0
  for one in "$record/locks"/b.*; do
    case ${one##*/} in b."$token".*) ;; *) rm -f "$one" ;; esac
  done
}

# free_lock N: the next generation is made and is free, so that N counts no longer. No generation is ever made anew: its
# token would be given twice. On a full disk the lock stays until its process or its pulse is seen to be gone.
free_lock() { ln -s free "$record/locks/g.$(($1 + 1))" 2>/dev/null; }

# Whoever takes a lock, frees or breaks it makes the next generation.
holds_lock() {
  [ -n "$token" ] && [ -L "$record/locks/g.$token" ] && [ ! -L "$record/locks/g.$((token + 1))" ]
}

need_lock() { holds_lock || say_no NOT_LOCKED "this session does not hold the lock"; }

# Of the session that took the lock: frees it. Of one that works under it: works no longer.
verb_unlock() {
  if [ "$owns" = yes ]; then
    ! holds_lock || free_lock "$token" || :
    ! is_settled || rm -f "$pulse".*
  elif [ -n "$token" ]; then
    forget_writer
  fi
  owns=no
  token=
}

# The next generation is made and is free: the old holder's token counts no longer.
verb_break_lock() {
  is_settled || { say_no UNSETTLED "deployment $run_id is not settled"; return; }
  newest_lock
  [ -n "$holder" ] || return 0
  split_holder
  say "holder $l_deployment $l_owner $l_command $l_since"
  token=$((g + 1))
  free_lock "$g" || { say_no WRITE_FAILED "cannot write to $record/locks"; return; }
  end_writers || say_no STILL_RUNNING "what that deployment runs could not be ended"
}

# ---- writers ---------------------------------------------------------------------------------------------------

# Whoever may write into a slot, or flips forward, notes its process as w.PID before it looks at the lock; whoever takes the
# lock ends what was noted under an older token. So none of them can write into a slot that is being staged by another.

note_writer() { note_process $$; }

note_process() {
  find_start "$1"
  [ ! -L "$record/locks/w.$1" ] || rm -f "$record/locks/w.$1"
  ln -s "$began $boot $token" "$record/locks/w.$1" 2>/dev/null
}

forget_writer() { rm -f "$record/locks/w.$$"; }

end_writers() {
  for one in "$record/locks"/w.*; do
    [ -L "$one" ] || continue
    writer=${one##*/w.}
    said=$(readlink "$one")
    [ "${said##* }" -lt "$token" ] || continue
    noted=${said%% *}
    said=${said#* }
    if [ "${said%% *}" = "$boot" ]; then end_process "$writer" "$noted" || return 1; fi
    rm -f "$one"
  done
  return 0
}

# end_process PID START: it and all that it started, until nothing of it is left.
end_process() {
  tries=0
  while [ $((tries += 1)) -le 20 ]; do
    left=$(list_processes "$1" "$2")
    [ -n "$left" ] || return 0
    # shellcheck disable=SC2086 # numbers
    kill -s KILL $left 2>/dev/null
    [ "$tries" -le 2 ] || sleep 0.2
  done
  return 1
}

# The process, the session that it leads (orphans stay in it), and what descends from these, but no guard: it outlives
# the session that started it. An SSH server makes every command the leader of a session.
list_processes() {
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v pid="$1" -v start="$2" -v self=$$ -v guards="$(list_guards)" '
    BEGIN { n = split(guards, g, " "); for (i = 1; i <= n; i++) spared[g[i]] }
    { p = $1; sub(/^.*\) /, ""); split($0, f, " "); state[p] = f[1]; parent[p] = f[2]; session[p] = f[4]; begun[p] = f[20]
      if ((p ":" f[20]) in spared) parent[p] = session[p] = "guard" }
    END {
      if (pid in begun && begun[pid] != start) exit
      for (p in parent) if (p == pid || session[p] == pid) mine[p] = 1
      do { more = 0; for (p in parent) if (!(p in mine) && (parent[p] in mine)) { mine[p] = 1; more = 1 } } while (more)
      for (p in mine) if (state[p] != "Z" && p != self) print p
    }'
}

# As PID:START each.
list_guards() {
  for one in "$record"/guard.*; do
    said=$(readlink "$one") || continue
    begun=${said#* }
    printf '%s:%s ' "${said%% *}" "${begun%% *}"
  done
}

# ---- reading ---------------------------------------------------------------------------------------------------

# each FILE COMMAND...: the command with the names in FILE as arguments, in as many calls as it takes. They come through a
# pipe: busybox forks its own applets, and at their end these set a file's offset back, so that names would be torn.
each() {
  named=$1
  shift
  # shellcheck disable=SC2002 # see above
  cat "$named" | xargs -0 "$@"
}

# list_slot DIR OUT: writes OUT.names and OUT.stat: kind, mode, size, mtime, inode, ctime and device of every entry.
list_slot() {
  (
    cd "$1" && find . ! -name . -print0 | sort -z >"$2.names" && : >"$2.stat" || exit 1
    [ ! -s "$2.names" ] || each "$2.names" stat -c '%f %a %s %Y %i %Z %z %d' -- >"$2.stat"
  )
}

# scan DIR OUT [KNOWN]: writes OUT.manifest and OUT.times, and sets scanned (the id), timed and entries. Files that KNOWN
# lists as they are now are not read again. OUT.known is such a list: as OUT.stat, and the SHA-256 in the last 64 characters.
scan() {
  here=$2
  find_hasher
  scan_began=$(date +%s.%N)
  case $scan_began in *[!0-9.]*) scan_began=${scan_began%%.*} ;; esac
  list_slot "$1" "$2" || return 1
  counted=$(
    cd "$1" && list_unknown "$here" "${3:-}" && : >"$here.sums" && : >"$here.targets" && : >"$here.times" || exit 1
    [ ! -s "$here.files" ] || hash_files "$here.files" >"$here.sums" || exit 1
    tabulate "$here" "$scan_began" "${3:-}"
  ) || return 1
  entries=${counted% *}
  [ "${counted#* }" -eq 0 ] || (cd "$1" && read_targets "$here") || return 1
  {
    echo 'fleetflip manifest 1'
    cat "$2.table"
    echo
    cat "$2.names" "$2.targets"
  } >"$2.manifest" || return 1
  sum_file "$2.manifest"
  scanned=sha256:$sum
  sum_file "$2.times"
  timed=$sum
  [ ${#scanned} -eq 71 ]
}

# list_unknown OUT KNOWN: writes OUT.files, the names of the files that have to be read.
list_unknown() {
  if [ -z "$2" ]; then
    find . -type f -print0 | sort -z >"$1.files"
    return
  fi
  awk -v known="$2" '
    BEGIN { while ((getline line < known) > 0) seen[substr(line, 1, length(line) - 65)] = 1 }
    { unknown = substr($1, 1, 1) == "8" && length($1) == 4 && !($0 in seen); any += unknown; print unknown ? "read" : "-" }
    END { exit any == 0 }' "$1.stat" >"$1.flags" || { : >"$1.files"; return; }
  # shellcheck disable=SC2016 # expanded by the inner shell
  each "$1.names" sh -c 'for p do read -r flag <&3; [ "$flag" = - ] || printf "%s\\0" "$p"; done' sh 3<"$1.flags" >"$1.files"
}

read_targets() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  find . -type l -print0 | sort -z |
    xargs -0 sh -c 'for p do readlink -n -- "$p" || exit 255; printf "\\0"; done' sh >"$1.targets"
}

# Sets hasher: openssl where it is there and right, because it is several times faster than most others.
find_hasher() {
  [ -z "$hasher" ] || return 0
  hasher='sha256sum --'
  case $(printf abc | openssl dgst -sha256 -r 2>/dev/null) in
    ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad*) hasher='openssl dgst -sha256 -r' ;;
  esac
}

# Of each line only the digest is read: tools print odd names in different ways.
hash_files() {
  # shellcheck disable=SC2086 # words
  each "$1" $hasher |
    sed -n 's/^\\\{0,1\}\([0-9a-f]\{64\}\) [ *]\.\/.*/\1/p'
}

# tabulate OUT BEGAN KNOWN: joins kinds, modes and sizes with the digests of the files, in order, and says how many entries and
# links there are. Writes OUT.known without files that were changed so short before BEGAN that the next change may get the
# same ctime: clocks of file systems tick every 10 ms at worst, or every second. Fails when there are more or fewer digests.
tabulate() {
  awk -v sums="$1.sums" -v table="$1.table" -v times="$1.times" -v list="$1.known" -v began="$2" -v known="$3" '
    BEGIN {
      printf "" >table; printf "" >list
      if (known != "")
        while ((getline line < known) > 0) seen[substr(line, 1, length(line) - 65)] = substr(line, length(line) - 63)
    }
    { kind = substr($1, 1, 1); if (length($1) < 4) kind = "?"; mode = $2 }
    kind == "8" {
      if ($0 in seen) sum = seen[$0]; else if ((getline sum < sums) <= 0) exit 1
      print "f " mode " " $3 " " sum >table
      split($8, clock, "."); part = ("0." clock[2]) + 0
      if ($6 + (part > 0 ? part + 0.02 : 1) < began + 0) print $0 " " sum >list
    }
    kind == "4" { print "d " substr(mode, length(mode) - 2) >table }
    kind == "a" { print "l" >table; links++ }
    kind != "8" && kind != "4" && kind != "a" { print "x" >table }
    { print $4 >times }
    END { if ((getline sum < sums) > 0) exit 1; print NR, links + 0 }' "$1.stat"
}

# Sets work: a private directory for a scan, gone when the session ends.
need_work() {
  [ -z "${work:-}" ] || return 0
  work=$(mktemp -d "${TMPDIR:-/tmp}/fleetflip.XXXXXX" 2>/dev/null) || work=$(mktemp -d "$record/work.XXXXXX" 2>/dev/null) || work=
  [ -n "$work" ]
}

# What was read is listed beside the slot: a file with the same inode, size, mtime and ctime has the same content, within the
# same boot and as long as the clock did not step, with the exception that git's index makes too (see tabulate).

# Sets ticking: seconds by which the wall clock is ahead of the monotonic one. What reads lists asks once a request.
find_ticking() {
  uptime_now
  ticking=$(($(date +%s) - up / 100))
}

# store_known SLOT: of the scan just made. What is wrong with it only costs time.
store_known() {
  [ "$boot" != unknown ] && [ -e /proc/uptime ] || { rm -f "$record/slot.$1.known"; return 0; }
  find_ticking
  { cat "$work/$1.known" && echo "$boot $ticking $scanned $timed $entries"; } >"$record/slot.$1.known" 2>/dev/null || return 0
}

# Sets known: the list for the slot when it still counts, else nothing; and what was scanned then.
find_known() {
  known='' k_scanned='' k_timed='' k_entries=''
  last=$(tail -n 1 "$record/slot.$1.known" 2>/dev/null) || return 0
  # shellcheck disable=SC2086 # words without patterns
  set -- "$1" $last
  [ $# -eq 6 ] && [ "$2" = "$boot" ] || return 0
  [ -n "$ticking" ] || find_ticking
  [ $((ticking - $3)) -le 1 ] && [ $(($3 - ticking)) -le 1 ] || return 0
  known=$record/slot.$1.known k_scanned=$4 k_timed=$5 k_entries=$6
}

say_scan() { say "scan $1 $scanned $timed $entries"; }

verb_fetch() {
  known_slot "$1" || { say_no NO_SLOT "$1 is no slot"; return; }
  if [ "$2" = record ]; then
    say_blob manifest "$record/slot.$1.manifest"
  else
    kept=$work/$1
    case $trusted in *" $1 "*) [ -f "$kept.manifest" ] || kept=$record/slot.$1 ;; esac
    say_blob manifest "$kept.manifest" && say_blob times "$kept.times"
  fi
}

say_blob() {
  [ -f "$2" ] || { say_no NOT_SCANNED "there is no such file"; return; }
  printf '%s blob %s %s\n' "$id" "$1" "$(($(wc -c <"$2")))"
  cat "$2"
  echo
}

verb_probe() {
  read_run
  read -r hostname 2>/dev/null </proc/sys/kernel/hostname || hostname=$(hostname 2>/dev/null || echo unknown)
  word "$hostname"
  say "hostname $w"
  say "boot $boot"
  say_tools
  say_space
  say_name
  for slot in $slots; do say_slot "$slot"; done
  say_holder
  say_run
  case $1 in
    live) [ -z "$at" ] || scan_slot "$at" ;;
    trust | quick) for slot in $slots; do [ ! -d "$root/$slot" ] || look_at "$slot" "$@" || return; done ;;
    all) for slot in $slots; do [ ! -d "$root/$slot" ] || scan_slot "$slot" || return; done ;;
  esac
}

# look_at SLOT trust|quick [RELEASE]: trusted, unless it is live and said to hold the release.
look_at() {
  find_known "$1"
  [ "$2" = trust ] && { [ "$1" != "$at" ] || [ "$k_scanned" != "${3:-}" ]; } && trust_slot "$1" || scan_slot "$1" "$known"
}

# Sets lacking: the programs that this host should have and has not.
find_lacking() {
  lacking=
  for tool in tar find sort xargs stat awk sed grep mv ln rm mkdir readlink od dd tr wc cut sync sleep; do
    has "$tool" || lacking="$lacking $tool"
  done
  has sha256sum || has openssl || lacking="$lacking sha256sum"
  [ -n "$method" ] || printf 'b\0a\0' | sort -z >/dev/null 2>&1 || lacking="$lacking sort-z"
}

# What was tried of the tools counts within one boot. Sets method and hasher; both stay empty when nothing was tried.
recall_tools() {
  read -r t_boot t_agent t_method t_hasher 2>/dev/null <"$record/tools" || return 0
  [ "$t_boot $t_agent" = "$boot ${0##*/}" ] && has "${t_hasher%% *}" || return 0
  method=$t_method hasher=$t_hasher
}

note_tools() { echo "$boot ${0##*/} $method $hasher" >"$record/tools" 2>/dev/null || return 0; }

say_tools() {
  recall_tools
  find_lacking
  for tool in $lacking; do say "missing $tool"; done
  if [ -w "$root" ] && [ -x "$root" ] && { [ ! -e "$record" ] || [ -w "$record" ]; }; then
    say "writable yes"
  else
    say "writable no"
  fi
  # Without the lock nothing is written beside the site.
  if [ -n "$method" ]; then :; elif [ -n "$token" ]; then
    find_method "$record"
    find_hasher
    [ "$method" = none ] || note_tools
  elif need_work; then find_method "$work"; else method=none; fi
  say "rename $method"
  for tool in gzip zstd; do ! has "$tool" || say "unpacks $tool"; done
  { ! has perl && ! has python3; } || say 'unpacks patch'
}

# The fourth column of the second line is what is free.
say_space() {
  blocks=$(df -Pk "$root" 2>/dev/null)
  inodes=$(df -Pi "$root" 2>/dev/null)
  find_free "$blocks"
  case $left in '~') ;; *) left=$((left * 1024)) ;; esac
  bytes=$left
  find_free "$inodes"
  say "free $bytes $left"
}

# Sets left, from what df printed; the null of the protocol where it is no number, or there is nothing to count.
find_free() {
  left='~'
  case $1 in *"$NL"*) ;; *) return 0 ;; esac
  # shellcheck disable=SC2086 # columns
  set -- ${1#*"$NL"}
  case ${2:-}/${4:-} in *[!0-9/]* | 0/* | */ | /*) ;; *) left=$4 ;; esac
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
  [ -n "$state" ] || return 0
  run_field from; from=$v
  run_field slot; to=$v
  run_field release; release=$v
  run_field label; label=$v
  run_field decider; decider=$v
  run_field at; when=$v
  to_words "$run_id" "$state" "$from" "$to" "$release" "$label" "$decider" "${when:-0}"
  say "deployment$words"
  case $state in armed | flipped | reverting) say_guard ;; esac
  old_ifs=$IFS
  IFS=$NL
  for one in $run_rec; do
    case $one in participant=*) say "participant ${one#*=}" ;; esac
  done
  IFS=$old_ifs
}

# Whether the guard lives, and in how many hundredths of a second it reverts.
say_guard() {
  run_field window; window=${v:-0}
  run_field pulse
  beat=0
  last_beat "$v"
  uptime_now
  remaining=$((beat + window - up))
  [ "$remaining" -ge 0 ] || remaining=0
  if guard_lives; then say "guard alive $remaining"; else say 'guard gone ~'; fi
}

guard_lives() {
  said=$(readlink "$record/guard.$run_id") || return 1
  guard_pid=${said%% *}
  said=${said#* }
  [ "${said#* }" = "$boot" ] || return 1
  find_start "$guard_pid"
  if [ "${said%% *}" = '~' ]; then kill -0 "$guard_pid" 2>/dev/null; else
    [ ! -e /proc/1/stat ] || [ "$began" = "${said%% *}" ]
  fi
}

# What the slot was proven to hold is taken for what it holds.
# trust_slot SLOT, of which find_known has just told what is known.
trust_slot() {
  read_slot "$1"
  [ "$s_state" = verified ] && [ "$k_scanned" = "$s_release" ] || return 1
  trusted="$trusted $1 "
  [ -z "$work" ] || rm -f "$work/$1.manifest"
  say "scan $1 $k_scanned $k_timed $k_entries"
}

# scan_slot SLOT [KNOWN]
scan_slot() {
  need_work && scan "$root/$1" "$work/$1" "${2:-}" || { say_no SCAN_FAILED "$1 could not be read"; return; }
  say_scan "$1"
}

verb_history() {
  [ -f "$record/history" ] || return 0
  while read -r line; do say "run $line"; done <"$record/history"
}

# Sets t: seconds and a fraction, or the null of the protocol where no clock is finer than a second.
clock() {
  t=$(date +%s.%N 2>/dev/null)
  case $t in *[!0-9.]*) t= ;; *.*) ;; *) t= ;; esac
  # shellcheck disable=SC3028 # bash and busybox have it, elsewhere it is empty
  t=${t:-${EPOCHREALTIME:-}}
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
    note_slot "$1" unproven "$2" "$3" '' no &&
    rm -f "$record/slot.$1.manifest" "$record/slot.$1.times" ||
    { say_no WRITE_FAILED "cannot write to $root"; return; }
}

verb_prove() {
  need_lock || return
  known_slot "$1" || { say_no NO_SLOT "$1 is no slot"; return; }
  find_known "$1"
  need_work && scan "$root/$1" "$work/$1" "$known" || { say_no SCAN_FAILED "$1 could not be read"; return; }
  if [ "$scanned" != "$2" ]; then
    say_scan "$1"
    return
  fi
  read_slot "$1"
  flush_slot "$1" && { [ "$s_state" = verified ] || { store_scan "$1" && note_slot "$1" verified "$3" "$4" staged no; }; } ||
    { say_no WRITE_FAILED "cannot write to $record"; return; }
  rm -rf "$record"/pull.* "$record"/tree.*
  say proven
}

store_scan() {
  for kind in manifest times; do
    cp "$work/$1.$kind" "$record/slot.$1.$kind.new" || return 1
  done
  flush "$record/slot.$1.manifest.new" "$record/slot.$1.times.new" &&
    mv -f "$record/slot.$1.manifest.new" "$record/slot.$1.manifest" &&
    mv -f "$record/slot.$1.times.new" "$record/slot.$1.times" || return 1
  store_known "$1"
}

verb_record() {
  need_lock || return
  known_slot "$1" && [ -d "$root/$1" ] || { say_no NO_SLOT "$1 is no slot"; return; }
  need_work && scan "$root/$1" "$work/$1" || { say_no SCAN_FAILED "$1 could not be read"; return; }
  flush_slot "$1" && store_scan "$1" && note_slot "$1" verified "$scanned" '' '' yes ||
    say_no WRITE_FAILED "cannot write to $record"
}

# Shells differ in how they name a group; without setsid there is only the process.
kill_group() {
  kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "-$2" 2>/dev/null || kill -s "$1" "$2" 2>/dev/null
}

# In the process that becomes the check: it can outlive this session, being in one of its own.
note_check() {
  [ -z "$token" ] || ! read -r own _ 2>/dev/null </proc/self/stat || note_process "$own"
}

verb_run() {
  known_slot "$1" || { say_no NO_SLOT "$1 is no slot"; return; }
  need_work || { say_no WRITE_FAILED "no directory for the output"; return; }
  rm -f "$work/ended"
  (
    umask 022
    cd "$root/$1" && note_check || exit 126
    # A group of its own, so that nothing of it outlives its time.
    if has setsid; then exec setsid sh -c "$3"; else exec sh -c "$3"; fi
  ) </dev/null >"$work/output" 2>&1 &
  child=$!
  # A signal that comes before the watch has set its own trap would be lost in this one.
  trap - TERM
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
  trap 'clean_up; exit 129' TERM
  wait "$child"
  code=$?
  [ -z "$token" ] || rm -f "$record/locks/w.$child"
  kill -TERM "$watch" 2>/dev/null
  wait "$watch" 2>/dev/null
  [ ! -e "$work/ended" ] || code='~'
  say "exit $code"
  head -c 65536 "$work/output" >"$work/bounded"
  say_blob output "$work/bounded"
}

# receive ROOT NAME TOKEN SLOT none|lists|KIND[.gz|.zst] FROM [REMOVES WORD...], payload on standard input. KIND: archive, or
# patch, which makes the archive with the help of the files of FROM. Of the words the first are removed before and the others
# copied from FROM. For a pull see there.
receive() {
  token=$3
  slot=$4
  kind=$5
  from=$6
  shift 6
  slots="$slot $from"
  note_writer || { fail_receive "cannot write to $record/locks"; return; }
  holds_lock || { fail_receive 'the lock is not held'; return; }
  read_slot "$slot"
  [ "$s_state" = unproven ] && [ -d "$root/$slot" ] || { fail_receive "$slot was not made ready"; return; }
  [ "$kind" = pull ] || [ $# -eq 0 ] || error=$(take_words "$@" 2>&1) || { fail_receive "$error"; return; }
  case $kind in
    none) ;;
    archive) error=$({ umask 022 && cd "$root/$slot" && tar -xopf -; } 2>&1) ;;
    archive.*) error=$({ umask 022 && cd "$root/$slot" && decompress | tar -xopf -; } 2>&1) ;;
    patch.*) error=$({ umask 022 && cd "$root/$slot" && decompress | patch "$root/$from" | tar -xopf -; } 2>&1) ;;
    lists) error=$(take_lists 2>&1) ;;
    pull) pull "$@" ;;
    *) false ;;
  esac || { fail_receive "$error"; return; }
  forget_writer
  echo "done${pulled:+ $pulled}"
}

fail_receive() {
  forget_writer
  word "$(printf '%s' "$1" | head -c 2000)"
  printf 'failed %s\n' "$w"
  return 1
}

decompress() {
  case $kind in *.zst) zstd -dcq ;; *) gzip -dc ;; esac
}

# patch DIR: writes what standard input says: `bytes SIZE`, then these; `file SIZE SIZE`, then a path below DIR, and a delta to
# that file in the format of Fossil (fossil-scm.org, "Fossil Delta Format"); `end`.
patch() {
  if has perl; then perl -e "$PATCH_PERL" "$1"; else python3 -S -E -c "$PATCH_PYTHON" "$1"; fi
}

# shellcheck disable=SC2016 # perl expands it
PATCH_PERL='
my ($dir, %digit) = @ARGV;
@digit{split //, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"} = 0 .. 63;
binmode STDIN; binmode STDOUT;
sub fail { print STDERR "patch: $_[0]\n"; exit 1 }
sub take { my $all = ""; while (length $all < $_[0]) { read(STDIN, $all, $_[0] - length $all, length $all) or fail "cut short" } $all }
sub number { my $sum = 0; $sum = $sum * 64 + $digit{$_} for split //, $_[0]; $sum }
sub slurp { local $/; -f $_[0] && open(my $file, "<:raw", $_[0]) or fail "no $_[0]"; my $all = <$file>; defined $all ? $all : "" }
sub apply {
  my ($base, $delta) = @_;
  $delta =~ /\G[\w~]+\n/gc or fail "no delta";
  while ($delta =~ /\G([\w~]+)([\@:;])/gc) {
    my ($size, $how) = (number($1), $2);
    return if $how eq ";";
    if ($how eq ":") { print substr($delta, pos $delta, $size); pos($delta) += $size; next }
    $delta =~ /\G([\w~]+),/gc && number($1) + $size <= length $base or fail "another base";
    print substr($base, number($1), $size);
  }
  fail "no delta";
}
while (defined(my $line = <STDIN>)) {
  my ($word, $size, $more) = split " ", $line;
  if ($word eq "end") { close STDOUT or exit 1; exit 0 }
  elsif ($word eq "file") { my $path = take($size); apply(slurp("$dir/$path"), take($more)) }
  elsif ($word eq "bytes") { while ($size > 0) { my $some = $size < 65536 ? $size : 65536; print take($some); $size -= $some } }
  else { fail "no patch" }
}
fail "cut short"'
PATCH_PYTHON='
import os, re, sys
source, sink, folder = sys.stdin.buffer, sys.stdout.buffer, os.fsencode(sys.argv[1])
digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
step = re.compile(b"([0-9A-Za-z_~]+)([@:;,\\n])")
def fail(why): sys.exit("patch: " + why)
def take(size):
    data = source.read(size)
    return data if len(data) == size else fail("cut short")
def number(word):
    total = 0
    for digit in word: total = total * 64 + digits.index(digit)
    return total
def slurp(path):
    if not os.path.isfile(path): fail("no " + os.fsdecode(path))
    with open(path, "rb") as file: return file.read()
def read(delta, at):
    found = step.match(delta, at) or fail("no delta")
    return number(found.group(1)), found.group(2), found.end()
def apply(base, delta):
    at = read(delta, 0)[2]
    while True:
        size, how, at = read(delta, at)
        if how == b";": return
        if how == b":":
            sink.write(delta[at:at + size])
            at += size
        else:
            start, _, at = read(delta, at)
            if start + size > len(base): fail("another base")
            sink.write(base[start:start + size])
while True:
    words = source.readline().split()
    if not words: fail("cut short")
    if words[0] == b"end": sink.flush(); sys.exit(0)
    elif words[0] == b"file":
        path = take(int(words[1]))
        apply(slurp(folder + b"/" + path), take(int(words[2])))
    elif words[0] == b"bytes":
        left = int(words[1])
        while left > 0:
            sink.write(take(min(left, 65536)))
            left -= min(left, 65536)
    else: fail("no patch")
'

# contents ROOT NAME SLOT, a list of names on standard input: what is in these files, one after the other, packed.
contents() {
  cd "$root/$3" && each - cat -- | gzip -c
}

take_lists() {
  lists=$record/lists.$$
  rm -rf "$lists" && mkdir "$lists" && tar -xopf - -C "$lists" || { rm -rf "$lists"; return 1; }
  # shellcheck disable=SC2002 # see each
  (umask 022 && cd "$root/$slot" && { [ ! -s "$lists/remove" ] || each "$lists/remove" rm -rf --; } &&
    { [ ! -s "$lists/copy" ] || cat "$lists/copy" | copy_files "$root/$slot"; })
  taken=$?
  rm -rf "$lists"
  return $taken
}

# copy_files DIR: from the live slot, with the mtimes, the names from standard input. GNU's cp shares the blocks where the file
# system can; elsewhere tar does it. Not every tar reads lists, so the names are arguments; what a broken pipe loses is found by
# the proof.
copy_files() {
  case $(cp --version 2>/dev/null) in
    *GNU*)
      (cd "$root/$from" && xargs -0 cp -P --parents --remove-destination --preserve=mode,timestamps --reflink=auto -t "$1" --)
      return ;;
  esac
  # shellcheck disable=SC2016 # expanded by the inner shell
  # GNU tar takes a backslash in a name for an escape, unless it is told not to.
  case $(tar --version 2>/dev/null) in *GNU*) create='tar --no-unquote -cf - "$@"' ;; *) create='tar -cf - "$@"' ;; esac
  # shellcheck disable=SC2016
  (cd "$root/$from" && xargs -0 sh -c "$create"' | (cd "$0" && tar -xopf -)' "$1")
}

# take_words REMOVES WORD...
take_words() {
  umask 022
  cd "$root/$slot" || return 1
  [ "$1" -eq 0 ] || say_names 1 "$@" | xargs -0 rm -rf -- || return 1
  [ $# -eq $(($1 + 1)) ] || say_names 2 "$@" | copy_files "$root/$slot"
}

# say_names 1|2 COUNT WORD...: the first words, or those after them, decoded, each ended by NUL.
say_names() {
  part=$1 left=$2
  shift 2
  for one; do
    left=$((left - 1))
    if [ "$left" -ge 0 ]; then [ "$part" = 1 ] || continue; else [ "$part" = 2 ] || return 0; fi
    unword "$one"
    printf '%s\0' "$v"
  done
}

# ---- pulling ---------------------------------------------------------------------------------------------------

# receive ROOT NAME TOKEN SLOT pull FROM SHA SIZE LENGTH gzip|plain: this host fetches the artifact itself. On standard input
# come a line with the URL, as a word, and LENGTH bytes with the lists; then it stays open as long as the coordinator waits.
# Until the artifact is whole, proven and unpacked, nothing in the slot changes. Sets error, and pulled: bytes fetched now.
pull() {
  exec 3<&0
  part=$record/pull.$1 lists=$record/lists.$$ tree=$record/tree.$$ pulled=0
  read -r url && unword "$url" && url=$v || { error='no URL came'; return 1; }
  forget_pulls
  error=$({ mkdir "$lists" && head -c "$3" | tar -xopf - -C "$lists"; } 2>&1) && download "$1" "$2" &&
    error=$({ unpack "$4" && fill_slot; } 2>&1)
  pull_ended=$?
  [ ! -d "$tree" ] || rm -f "$part"
  rm -rf "$lists" "$tree"
  return $pull_ended
}

# What other pulls have left here; the part of this one is what it goes on from.
forget_pulls() {
  rm -rf "$record"/lists.* "$record"/tree.*
  for one in "$record"/pull.*; do
    [ "$one" = "$part" ] || rm -f "$one"
  done
}

# Sets fetcher: the program that fetches. A wget that is not GNU's is simple: it takes the URL as an argument only.
find_fetcher() {
  if has curl; then fetcher=curl; elif ! has wget; then fetcher=none; else
    case $(wget --version 2>/dev/null) in *GNU*) fetcher=wget ;; *) fetcher=simple ;; esac
  fi
}

# download SHA SIZE: what an earlier run has left may be of another file: then everything is fetched once more.
download() {
  find_fetcher
  case $fetcher/$url in
    none/*) error='it has neither curl nor wget'; return 1 ;;
    simple/*[?@]*) error='its wget would show the URL, which holds a secret, to everybody on the host'; return 1 ;;
  esac
  find_size "$part"
  left=$size
  fetch_whole "$@" && return 0
  [ "$left" -gt 0 ] && [ ! -e "$part" ] && [ ! -e "$lists/alone" ] && fetch_whole "$@"
}

# fetch_whole SHA SIZE: as long as every try brings something, the next one goes on from there, unless a second one has come
# to a standstill. What is not the artifact is removed.
fetch_whole() {
  tries=0 stalls=0
  while find_size "$part"; [ "$size" -lt "$2" ]; do
    [ $((tries += 1)) -le 20 ] || { error="it was cut off again and again: $error"; return 1; }
    had=$size
    fetch_more "$2"
    [ "$size" -gt "$had" ] || fetch_anew "$2" || return 1
    pulled=$((pulled + size - had))
    [ ! -e "$lists/stalled" ] || [ $((stalls += 1)) -lt 2 ] || return 1
    [ ! -e "$lists/alone" ] || { error='nobody waits for it any more'; return 1; }
  done
  [ "$size" -eq "$2" ] && sum_file "$part" && [ "$sum" = "$1" ] && return 0
  rm -f "$part"
  error='what it gets from the URL is another artifact'
  return 1
}

# Sets size, of a file that may not be there.
find_size() {
  size=0
  [ ! -f "$1" ] || size=$(($(wc -c <"$1")))
}

# Where going on brought nothing, the server may not know how: from the beginning, and what is here stays until that works.
fetch_anew() {
  [ "$had" -gt 0 ] && [ ! -e "$lists/alone" ] && [ ! -e "$lists/stalled" ] && mv -f "$part" "$part.old" || return 1
  fetch_more "$1"
  if [ "$size" -gt 0 ]; then rm -f "$part.old"; had=0; return 0; fi
  mv -f "$part.old" "$part"
  return 1
}

# fetch_more SIZE: never much more than that. Ends with the standard input, which ends with the coordinator, and when nothing
# comes. Sets size and error.
fetch_more() {
  rm -f "$lists/stalled"
  find_size "$part"
  (
    ulimit -f $(($1 / 512 + 1)) 2>/dev/null
    fetch
  ) </dev/null >/dev/null 2>"$lists/said" 3<&- &
  child=$!
  (
    while read -r _; do :; done
    : >"$lists/alone"
    kill "$child"
  ) <&3 >/dev/null 2>&1 &
  watch=$!
  # In a subshell of its own, because a function that is redirected keeps what it was redirected from.
  (watch_stall "$child") </dev/null >/dev/null 2>&1 3<&- &
  stall=$!
  wait "$child" 2>/dev/null
  kill "$watch" "$stall" 2>/dev/null
  wait "$watch" "$stall" 2>/dev/null
  if [ -e "$lists/stalled" ]; then error='nothing came for a minute'; else
    error="$fetcher: $(head -c 1000 "$lists/said" 2>/dev/null)"
  fi
  find_size "$part"
}

# watch_stall PID: ends it when a minute brings nothing. Not every program that fetches can do that itself.
watch_stall() {
  nap=
  trap 'kill $nap 2>/dev/null; exit 0' TERM
  while :; do
    had=$size
    sleep 60 &
    nap=$!
    wait "$nap"
    find_size "$part"
    [ "$size" -gt "$had" ] || break
  done
  : >"$lists/stalled"
  kill "$1"
}

# The URL comes over a pipe, so that no list of processes shows it. What a login has set for curl could make it tell more than
# it should.
fetch() {
  case $fetcher in
    curl)
      exec curl -q -g -s -S -f -L --proto =http,https -C - -o "$part" -K - <<CONFIG
url = "$url"
CONFIG
      ;;
    wget)
      exec wget -nv -c -t 1 -O "$part" -i - <<CONFIG
$url
CONFIG
      ;;
    simple) exec wget -q -c -O "$part" "$url" ;;
  esac
}

# unpack gzip|plain: into a tree that only the record's owners enter, with the modes and mtimes that the slot will have.
unpack() {
  # shellcheck disable=SC2002 # see each
  mkdir "$tree" && (umask 022 && cd "$tree" && {
    case $1 in gzip) gzip -dc <"$part" | tar -xopf - ;; *) tar -xopf - <"$part" ;; esac
  } && found -type d ! -perm 755 && on_found chmod 755 &&
    found -type f ! -perm 755 '(' -perm -100 -o -perm -010 -o -perm -001 ')' && on_found chmod 755 &&
    found -type f ! -perm 755 ! -perm 644 && on_found chmod 644 &&
    found ! -type l && on_found touch -r "$lists/mtime" &&
    { [ ! -s "$lists/copy" ] || cat "$lists/copy" | copy_files "$tree"; })
}

# found TEST...: lists what find finds here, for on_found COMMAND...
found() { find . "$@" -print0 >"$lists/found"; }

on_found() { [ ! -s "$lists/found" ] || each "$lists/found" "$@"; }

# The tree takes the place of what is in the slot.
fill_slot() {
  holds_lock || { echo 'the lock is not held'; return 1; }
  # shellcheck disable=SC2016 # expanded by the inner shell
  (cd "$root/$slot" && found ! -name . -prune && on_found rm -rf --) &&
    (cd "$tree" && found ! -name . -prune && on_found sh -c 'mv -f -- "$@" "$0/"' "$root/$slot")
}

# ---- phase two -------------------------------------------------------------------------------------------------

# arm SLOT RELEASE LABEL DEPLOYMENT COMMAND OWNER WINDOW DECIDER PARTICIPANT...
# Afterwards a flip, a revert and a confirm are renames: none of them needs space.
verb_arm() {
  need_lock || return
  known_slot "$1" || { say_no NO_SLOT "$1 is no slot"; return; }
  case $4 in '' | *[!A-Za-z0-9-]*) say_no NO_DEPLOYMENT "$4 cannot be the id of a deployment"; return ;; esac
  is_settled || { say_no UNSETTLED "deployment $run_id is not settled"; return; }
  read_slot "$1"
  [ "$s_state" = verified ] && [ "$s_release" = "$2" ] && [ -d "$root/$1" ] ||
    { say_no UNPROVEN "$1 is not proven to hold the release"; return; }
  [ -n "$method" ] || find_method "$record"
  [ "$method" != none ] || { say_no NO_RENAME "no program of this host renames onto a link"; return; }
  read_link
  [ -n "$at" ] || { [ ! -e "$link" ] && [ ! -L "$link" ]; } || { say_no LINK_ELSEWHERE "$text"; return; }
  slot=$1 release=$2 label=$3 deployment=$4 command=$5 owner=$6 window=$7 decider=$8
  shift 8
  armed=$record/run.$token.$deployment.armed
  for one; do
    shift
    set -- "$@" participant "$one"
  done
  forget_runs
  make_ready "$@" || { disarm WRITE_FAILED "cannot write to $record"; return; }
  need_lock || { disarm; return 1; }
  start_guard || { disarm NO_GUARD 'the guard did not start'; return; }
  need_lock || { disarm; return 1; }
  mv "$armed.new" "$armed" && flush "$record" || { disarm WRITE_FAILED "cannot write to $record"; return; }
  # A guard that has waited too long for the record is gone.
  [ -L "$record/guard.$deployment" ] || { disarm NO_GUARD 'the guard did not stay'; return; }
  word "$text"
  say "from $w"
}

# disarm [CODE TEXT]: takes away what was made ready, and nothing of another deployment; then says no.
disarm() {
  rm -f "$record/run.$token.$deployment.armed" "$record/run.$token.$deployment.armed.new"
  rm -rf "$record/there.$deployment" "$record/back.$deployment" "$record/be.$deployment".* "$record/guard.$deployment"
  [ $# -eq 0 ] || say_no "$@"
}

# Both links, the deployment's record, and those that the slots will have after either end: make_ready KEY VALUE...
# What a rollback leaves is nothing to return to.
make_ready() {
  if [ "$command" = rollback ]; then left=rejected; else left=previous; fi
  mkdir "$record/there.$deployment" "$record/back.$deployment" && ln -s -- "$slot" "$record/there.$deployment/$name" ||
    return 1
  [ -z "$text" ] || ln -s -- "$text" "$record/back.$deployment/$name" || return 1
  newest_lock
  split_holder
  pulse=$record/locks/b.$token.$l_pid
  write_record "$armed.new" deployment "$deployment" slot "$slot" from "$text" previous "$at" release "$release" \
    label "$label" command "$command" owner "$owner" decider "$decider" window "$window" method "$method" boot "$boot" \
    pulse "$pulse" at "$(now)" "$@" || return 1
  for one_slot in $slots; do
    [ -f "$record/slot.$one_slot" ] || continue
    read_slot "$one_slot"
    case $one_slot in "$at") role=$left ;; *) role='' ;; esac
    write_slot "$record/be.$deployment.confirmed.$one_slot" "$s_state" "$s_release" "$s_label" "$role" "$s_found" "$s_at" ||
      return 1
    [ "$one_slot" != "$slot" ] ||
      write_slot "$record/be.$deployment.reverted.$slot" "$s_state" "$s_release" "$s_label" rejected "$s_found" "$s_at" ||
      return 1
  done
  seal "$armed.new" "$record/be.$deployment".* && flush "$armed.new" "$record/be.$deployment".*
}

# Decided deployments are kept for a while, because others may still ask how they ended.
forget_runs() {
  rm -rf "$record"/there.* "$record"/back.* "$record"/be.* "$record"/guard.*
  for one in "$record"/run.*.*.*; do
    [ -f "$one" ] || continue
    part=${one##*/run.}
    [ "${part%%.*}" -gt $((token - 20)) ] && [ "${part%%.*}" -lt "$token" ] || rm -f "$one"
  done
}

# flip DEPLOYMENT: one rename, which nobody can make after the deployment was decided otherwise.
verb_flip() {
  need_run "$1" || return
  need_lock || return
  [ "$state" = armed ] || { say_no NOT_ARMED "the deployment is $state"; return; }
  run_field method; method=$v
  run_field slot; slot=$v
  error=$(rename_onto "$method" "$record/there.$run_id/$name" "$link" 2>&1)
  clock
  if has_flipped && [ "$(readlink "$link")" = "$slot" ]; then
    say "at $t"
  else
    say_no FLIP_FAILED "$error"
  fi
}

# ---- the instant -----------------------------------------------------------------------------------------------

# aim DEPLOYMENT: from here on the requests are read by a program that tells its clock and, at an instant of that clock, renames
# by itself, so that nothing has to be started then. It knows these requests, also while it waits for the instant:
#   now        what its clock says, in seconds
#   at TIME    the flip comes at that time; what comes before it, such as a revert over another channel, cancels it
#   cancel     it does not come, and another time can be named; refused when it has come
#   flip       how that ended, once it has come; without a time, it flips now. Then the agent reads on
#   leave      it does not come, and the agent reads on; so does the end of the requests
verb_aim() {
  need_run "$1" && need_lock || return
  [ "$state" = armed ] || { say_no NOT_ARMED "the deployment is $state"; return; }
  run_field slot; slot=$v
  run_field method; method=$v
  if has perl; then
    case $(uname -m) in x86_64) call=228 ;; aarch64 | riscv64 | loongarch64) call=113 ;; armv*) call=263 ;; ppc64*) call=246 ;; s390*) call=260 ;; i?86) call=265 ;; *) call=-1 ;; esac
    perl -e "$AIM_PERL" "$id" "$record/there.$run_id/$name" "$link" "$slot" "$call" 2>/dev/null && return
  fi
  if has python3; then
    python3 -S -E -c "$AIM_PYTHON" "$id" "$record/there.$run_id/$name" "$link" "$slot" 2>/dev/null && return
  fi
  aim_by_shell
}

# Both end with 3, and have said nothing, where they have no monotonic clock. The last fifth of a millisecond before an instant
# belongs to the clock alone.
# shellcheck disable=SC2016 # perl expands it
AIM_PERL='
my ($id, $new, $link, $slot, $call) = @ARGV;
my ($goal, $asked, $is_moved, $failed, $at, $line) = (0, 0, 0, "", 0, "");
$| = 1;
my $clock = eval { require Time::HiRes; Time::HiRes::clock_gettime(1) }
  ? sub { Time::HiRes::clock_gettime(1) }
  : sub { my $time = pack("l!2", 0, 0); syscall($call, 1, $time) == 0 or exit 3; my ($s, $ns) = unpack("l!2", $time); $s + $ns / 1e9 };
$call += 0;
open(my $uptime, "<", "/proc/uptime") or exit 3;
abs((split / /, <$uptime>)[0] - $clock->()) < 0.5 or exit 3;
sub flip { $failed = rename($new, $link) ? "" : "$!"; $at = $clock->(); $is_moved = 1 }
sub say_flip {
  if ($failed eq "" && readlink($link) eq $slot) { printf "$id + at %.6f\n$id ok\n", $at }
  else { printf "$id no FLIP_FAILED %s\n", join("", map { sprintf "\\0%03o", ord } split //, $failed) || "~" }
  exit 0;
}
sub is_due {
  while ((my $left = $goal - $clock->()) > 0) {
    next if $left <= 0.0002;
    vec(my $input = "", fileno(STDIN), 1) = 1;
    return 0 if select($input, undef, undef, $left - 0.0002) > 0;
  }
  return 1;
}
sub ask {
  while (1) {
    return () if $goal && is_due();
    sysread(STDIN, my $byte, 1) or exit 0;
    if ($byte ne "\n") { $line .= $byte; next }
    my @words = split / /, $line;
    $line = "";
    return @words;
  }
}
print "$id + with perl\n$id ok\n";
while (1) {
  my ($request, $verb, $time) = ask();
  $id = $request if $request;
  if (!$request) { $goal = 0; flip(); say_flip() if $asked }
  elsif ($verb eq "now") { printf "$id + now %.6f\n$id ok\n", $clock->() }
  elsif ($verb eq "at" && $time <= $clock->()) { print "$id no LATE ~\n" }
  elsif ($verb eq "at") { $goal = $time; print "$id ok\n" }
  elsif ($verb eq "cancel") { $goal = 0; print $is_moved ? "$id no MOVED ~\n" : "$id ok\n" }
  elsif ($verb eq "flip" && $goal) { $asked = 1 }
  elsif ($verb eq "flip") { flip() unless $is_moved; say_flip() }
  elsif ($verb eq "leave") { print "$id ok\n"; exit 0 }
  else { print "$id no NO_VERB ~\n" }
}'
AIM_PYTHON='
import os, select, sys, time
request, new, link, slot = sys.argv[1:5]
clock = time.monotonic
goal, asked, moved, failed, at, line = 0, False, False, "", 0, b""
def say(text): os.write(1, text.encode())
def flip():
    global moved, failed, at
    try: os.rename(new, link); failed = ""
    except OSError as error: failed = error.strerror
    moved, at = True, clock()
def say_flip():
    if failed == "" and os.readlink(link) == slot: say("%s + at %.6f\n%s ok\n" % (request, at, request))
    else: say(request + " no FLIP_FAILED " + ("".join("\\0%03o" % byte for byte in failed.encode()) or "~") + "\n")
    sys.exit(0)
def is_due():
    while True:
        left = goal - clock()
        if left <= 0: return True
        if left > 0.0002 and select.select([0], [], [], left - 0.0002)[0]: return False
def ask():
    global line
    while True:
        if goal and is_due(): return None
        byte = os.read(0, 1)
        if not byte: sys.exit(0)
        if byte != b"\n": line += byte; continue
        words, line = line.decode().split(" ") + ["", ""], b""
        return words[:3]
try: uptime = float(open("/proc/uptime").read().split()[0])
except Exception: sys.exit(3)
if abs(uptime - clock()) > 0.5: sys.exit(3)
say(request + " + with python3\n" + request + " ok\n")
while True:
    words = ask()
    if words is None:
        goal = 0; flip()
        if asked: say_flip()
        continue
    request, verb, word = words
    if verb == "now": say("%s + now %.6f\n%s ok\n" % (request, clock(), request))
    elif verb == "at" and float(word) <= clock(): say(request + " no LATE ~\n")
    elif verb == "at": goal = float(word); say(request + " ok\n")
    elif verb == "cancel": goal = 0; say(request + (" no MOVED ~\n" if moved else " ok\n"))
    elif verb == "flip" and goal: asked = True
    elif verb == "flip":
        if not moved: flip()
        say_flip()
    elif verb == "leave": say(request + " ok\n"); sys.exit(0)
    else: say(request + " no NO_VERB ~\n")
'

# The same by starting mv in time, on the wall clock, where that is finer than a second. A process of its own waits, so that
# requests are heard meanwhile.
aim_by_shell() {
  moved=''
  clock
  if [ "$t" = '~' ]; then say 'with none'; else say 'with sh'; fi
  printf '%s ok\n' "$id"
  while read -r id verb word; do
    case $verb in
      now) clock; say "now $t"; printf '%s ok\n' "$id" ;;
      at) aim_at "$word" ;;
      cancel) if call_off; then printf '%s ok\n' "$id"; else say_no MOVED ''; fi ;;
      flip) await_move; [ -n "$moved" ] || move; tell_move && printf '%s ok\n' "$id"; return ;;
      leave) call_off; printf '%s ok\n' "$id"; return ;;
      *) say_no NO_VERB "$verb" ;;
    esac
  done
  call_off
}

move() {
  error=$(rename_onto "$method" "$record/there.$run_id/$name" "$link" 2>&1)
  clock
  moved=$t
}

tell_move() {
  if has_flipped && [ "$(readlink "$link")" = "$slot" ]; then say "at $moved"; else say_no FLIP_FAILED "$error"; fi
}

aim_at() {
  micro "$1"
  goal=$us
  tell_time
  left=$((goal - us))
  [ "$left" -gt 0 ] || { say_no LATE ''; return; }
  need_work || { say_no WRITE_FAILED 'no directory for the time of the flip'; return; }
  rm -f "$work/moved"
  move_at </dev/null 2>/dev/null &
  waiter=$!
}

# To start mv takes a millisecond or so; a sleep can be late by much more. When the clock has stepped meanwhile, nothing moves.
# While it sleeps it can be ended; after that it moves the link. It acknowledges by itself, as soon as it can be ended.
move_at() {
  trap - HUP INT TERM
  printf '%s ok\n' "$id"
  exec >/dev/null
  uptime_now
  apart=$((us / 10000 - up))
  [ "$left" -le 30000 ] || sleep "$(((left - 25000) / 1000000)).$(printf %06d $(((left - 25000) % 1000000)))"
  trap '' TERM
  tell_time
  while [ "$us" -lt $((goal - 1000)) ]; do tell_time; done
  uptime_now
  apart=$((us / 10000 - up - apart))
  if [ "$apart" -lt 50 ] && [ "$apart" -gt -50 ]; then move; else error='the clock of this host stepped' moved=$t; fi
  printf '%s %s\n' "$moved" "$error" >"$work/moved"
}

# Ends the process that waits; fails when the link has moved.
call_off() {
  [ -z "$waiter" ] || kill "$waiter" 2>/dev/null
  await_move
  [ -z "$moved" ]
}

# Sets moved and error when the process that waits has moved the link, or has tried to.
await_move() {
  [ -n "$waiter" ] || return 0
  wait "$waiter" 2>/dev/null
  waiter=''
  if [ -s "$work/moved" ]; then read -r moved error <"$work/moved"; elif has_flipped; then moved='~'; fi
}

tell_time() { clock; micro "$t"; }

# Sets us: microseconds of a time in seconds.
micro() {
  case $1 in *.*) part=${1#*.}000000 ;; *) part=000000 ;; esac
  us=$((${1%%.*} * 1000000 + 1${part%"${part#??????}"} - 1000000))
}

# ---- after the flip --------------------------------------------------------------------------------------------

# revert DEPLOYMENT keep|reject: reject marks the release as reverted also where the link had not moved.
verb_revert() {
  need_run "$1" || return
  case $state in
    armed | flipped) decide reverting || need_run "$1" || return ;;
  esac
  case $state in
    reverted) return 0 ;;
    reverting) ;;
    confirmed | forwarding) say_no CONFIRMED "the deployment is confirmed"; return ;;
    torn) say_no TORN "$TORN"; return ;;
    *) say_no WRITE_FAILED "cannot write to $record"; return ;;
  esac
  if take_back; then
    # Before a power cut it may have moved, and the move was lost with the power.
    run_field boot
    if [ ! -L "$record/there.$run_id/cancelled" ]; then say 'moved yes'; elif [ "$v" = "$boot" ]; then say 'moved no'; fi
    keep_staged "$2"
    decide reverted || need_run "$1" || return
  else
    need_run "$1" || return
    [ "$state" != reverting ] || { say_no REVERT_FAILED "the link could not be put back: $error"; return; }
  fi
  [ "$state" = reverted ] || { say_no WRITE_FAILED "cannot write to $record"; return; }
  settle
}

# keep_staged keep|reject: a release that was never live here stays staged, unless it was live elsewhere.
keep_staged() {
  [ "$1" = reject ] || [ ! -L "$record/there.$run_id/cancelled" ] || rm -f "$record/be.$run_id.reverted".*
}

verb_confirm() {
  need_run "$1" || return
  if [ "$state" = flipped ]; then
    read_link
    run_field slot
    [ "$text" = "$v" ] || { say_no NOT_FLIPPED "the link says $text"; return; }
    decide confirmed || need_run "$1" || return
  fi
  case $state in
    confirmed) settle ;;
    forwarding) say_no FORWARDING "the deployment is being flipped forward" ;;
    torn) say_no TORN "$TORN" ;;
    armed) say_no NOT_FLIPPED "the link was not flipped" ;;
    flipped) say_no WRITE_FAILED "cannot write to $record" ;;
    *) say_no REVERTED "the deployment was reverted" ;;
  esac
}

# forward DEPLOYMENT: the decision was to commit, so the link moves to the release, whatever this host had made of it.
verb_forward() {
  need_lock || return
  need_run "$1" || return
  [ "$state" != torn ] || { say_no TORN "$TORN"; return; }
  [ "$state" != reverting ] || finish_run || { say_no REVERT_FAILED "$error"; return; }
  if [ "$state" != confirmed ]; then
    run_field release; release=$v
    run_field slot; slot=$v
    read_slot "$slot"
    [ "$s_state" = verified ] && [ "$s_release" = "$release" ] ||
      { say_no UNPROVEN "$slot does not hold the release any more"; return; }
    [ "$state" = forwarding ] || decide forwarding || { say_no NOT_ARMED "the deployment was decided meanwhile"; return; }
    mv -f "$record/there.$run_id/$name" "$record/there.$run_id/cancelled" 2>/dev/null
  fi
  finish_run || say_no FLIP_FAILED "$error"
}

# ---- the guard -------------------------------------------------------------------------------------------------

# Starts the guard and waits for its word. It has no descriptor of the session, hears no hangup, and leads its own
# session where it can, so that nothing ends it but itself.
start_guard() {
  trap '' HUP
  # shellcheck disable=SC2086 # the slots are names without blanks
  set -- "$0" guard "$root" "$name" "$deployment" "$pulse" "$window" $slots
  if has setsid; then setsid sh "$@" </dev/null >/dev/null 2>&1 & else sh "$@" </dev/null >/dev/null 2>&1 & fi
  trap 'clean_up; exit 129' HUP
  tries=0
  while [ $((tries += 1)) -le 200 ]; do
    [ ! -L "$record/guard.$deployment" ] || return 0
    sleep 0.05
  done
  return 1
}

# guard DEPLOYMENT PULSE WINDOW: reverts the deployment when its pulse is older than the window (hundredths of a second).
guard() {
  trap '' HUP INT
  cd / || return 1
  find_start $$
  ln -s "$$ $began $boot" "$record/guard.$1" || return 1
  nap=$(nap_for "$3")
  await_arming "$1" || return 1
  # By now it may have been decided, and then there is nothing to guard.
  armed=${run%.*}.armed
  reverting=${run%.*}.reverting
  uptime_now
  beat=$up
  while [ -f "$armed" ] || [ -f "$reverting" ]; do
    last_beat "$2"
    uptime_now
    [ $((up - beat)) -le "$3" ] || fire "$1"
    sleep "$nap"
  done
}

# A twentieth of the window, between 50 ms and 1 s.
nap_for() {
  if [ "$1" -ge 2000 ]; then echo 1; elif [ "$1" -le 100 ]; then echo 0.05; else
    echo "$(($1 / 2000)).$(printf %03d $(($1 / 2 % 1000)))"
  fi
}

# Between the guard's word and the armed record the disk may be slow; a session that died there leaves nothing to guard.
# Giving up, it takes its word back first: either the session that is late sees that, or the guard sees the record.
await_arming() {
  tries=0
  while [ $((tries += 1)) -le 40 ]; do
    read_run
    [ "$run_id" != "$1" ] || return 0
    [ -L "$record/guard.$1" ] || return 1
    sleep 0.25
  done
  said=$(readlink "$record/guard.$1") && rm -f "$record/guard.$1"
  read_run
  [ "$run_id" = "$1" ] || return 1
  ln -s "$said" "$record/guard.$1" || return 0
}

# fire DEPLOYMENT: the decision first; then the link goes back. A disk that does not allow that is asked again and again.
fire() {
  read_run
  [ "$run_id" = "$1" ] || return 0
  case $state in armed | flipped) decide reverting || return 0 ;; esac
  # Nobody ends a guard that stands still: it takes no step of a flip forward, which could come after a later deployment.
  [ "$state" != reverting ] || carry_out
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
  find_lacking
  for tool in $lacking; do problem "the host lacks $tool"; done
  find_fetcher
  say "fetcher $fetcher"
  warn_of_logind
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

# Where systemd-logind ends what a login leaves running, it ends the guard too.
warn_of_logind() {
  cat /etc/systemd/logind.conf /etc/systemd/logind.conf.d/*.conf /run/systemd/logind.conf.d/*.conf \
    /usr/lib/systemd/logind.conf.d/*.conf 2>/dev/null | grep -q -i -E '^[ 	]*KillUserProcesses[ 	]*=[ 	]*(yes|true|on|1)' || return 0
  word 'systemd-logind has KillUserProcesses=yes: the guard ends with the login, and an interrupted flip stays until recover'
  say "warning $w"
}

problem() {
  word "$1"
  say "problem $w"
}

# ---- ways in ---------------------------------------------------------------------------------------------------

clean_up() {
  [ -z "$waiter" ] || kill "$waiter" 2>/dev/null
  [ -z "$work" ] || rm -rf "$work"
  verb_unlock
}

# Reads requests until end of file. Verbs get no part of the requests as their input.
serve() {
  trap 'clean_up; exit 129' HUP INT TERM
  trap '' PIPE
  while read -r id verb rest; do
    ticking=
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
      break-lock) verb_break_lock </dev/null && printf '%s ok\n' "$id" ;;
      # It reads the requests that follow, and answers by itself.
      aim) verb_aim "$@" ;;
      probe | fetch | lock | beat | use | unlock | begin | prove | record | run | arm | flip | revert | confirm | forward | history | needs | adopt)
        verb_"$verb" "$@" </dev/null && printf '%s ok\n' "$id" ;;
      *) say_no NO_VERB "$verb" ;;
    esac
  done
  clean_up
}

show_status() {
  read_run
  read_link
  if [ -n "$text" ]; then echo "$link -> $text"; else echo "$link is no link"; fi
  for slot in $slots; do
    read_slot "$slot"
    mark=idle
    [ "$slot" != "$at" ] || mark=live
    echo "  $slot: $mark, $s_state, ${s_release:-no release} ${s_label} ${s_role}"
  done
  [ -z "$state" ] || echo "  deployment $run_id: $state"
  newest_lock
  [ -z "$holder" ] || echo "  lock: $holder"
}

main() {
  verb=${1:-help}
  if [ "$verb" = help ] || [ $# -lt 3 ]; then
    echo 'usage: sh agent.sh status|revert ROOT NAME [SLOT...]'
    echo '  status   what is live and idle, and whether a deployment is open'
    echo '  revert   puts the link back to what it said before the open deployment'
    return 0
  fi
  shift
  case $verb in
    serve)
      set_up "$@" && serve ;;
    receive)
      set_up "$1" "$2" "$4" && receive "$@" ;;
    contents)
      set_up "$@" && contents "$@" ;;
    measure)
      cat >/dev/null && echo 'done' ;;
    guard)
      watched=$3 watched_pulse=$4 patience=$5 watched_root=$1 watched_name=$2
      shift 5
      set_up "$watched_root" "$watched_name" "$@" && guard "$watched" "$watched_pulse" "$patience" ;;
    revert)
      set_up "$@" && read_run && verb_revert "$run_id" reject
      show_status ;;
    status)
      set_up "$@" && show_status ;;
    *)
      echo "fleetflip: no verb $verb" >&2
      return 2 ;;
  esac
}

main "$@" || exit 1
