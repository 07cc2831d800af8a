#!/bin/sh
# Changes files where the program itself does not run: the order was worked out on the other machine, this carries it
# out with a journal, and takes it back. Only POSIX commands, readlink, sha256sum and, where there is one, fsync.
#   sh plain.sh STATE apply WITHIN LIMIT   talks on its input and output (PlainTarget.cs); WITHIN: seconds or -
#   sh plain.sh STATE confirm ID|-     undo ID|- force|-     right     guard ID
# STATE/plain holds lock (who changes something), pending (a link that names the entry that is not settled), and
# journal/ID: plan.json, order (a step a line), checks (by what), folders (whose time is kept), log (as lotse's own), after-N, before-N
# (what stood there: where the file system allows it the old file itself, kept by a second name; else a copy, and then
# there is copied-N), time-N and left-N (empty files with a folder's time before and after).
# Words of the order are %b-escaped behind a '=': no value is ever part of a command.
set -fu
LC_ALL=C
export LC_ALL
umask 077
# What goes wrong is told in the answers, or caught by try.
exec 2>/dev/null
PATH=${PATH:-/bin}:/usr/sbin:/usr/bin:/sbin:/bin
# Handled, not ignored: programs that a step starts must not inherit a deaf ear.
stop=
trap : HUP PIPE
trap 'stop=1' INT TERM
plain=$1/plain verb=$2
self=$0 state=$1
shift 2
lf='
'

say() { printf '%s\n' "$*"; }
word() { w=$(printf '%b.' "${1#=}"); w=${w%.}; }
sum() { h=$(sha256sum <"$1") && h=${h%% *}; }

# now: seconds since this boot, and the boot; without /proc the wall clock has to do.
now() {
    boot=unknown
    read -r boot </proc/sys/kernel/random/boot_id
    if read -r up rest </proc/uptime; then up=${up%%.*}; else up=$(date +%s); fi
}

# born PID: when that process started (proc_pid_stat(5) field 22): with the pid, its identity. Fails when it has gone.
born() {
    start=-
    kill -0 "$1" || return 1
    if read -r stat <"/proc/$1/stat"; then
        # shellcheck disable=SC2086 # a list of words
        set -- ${stat##*) }
        start=${20}
        [ "$1" != Z ]
    fi
}

# durable PATH...: on the disk when it returns. `sync` alone writes everything, but tells no error.
durable() {
    for d; do
        case $syncing in
            fsync) fsync "$d" ;;
            file) sync "$d" ;;
            *) sync; return ;;
        esac || return 1
    done
}
# A sync without operands in its vocabulary fails on one, or warns and writes everything.
tools() {
    syncing=all copying='cp -p'
    if command -v fsync >/dev/null && fsync "$plain"; then syncing='fsync'; elif sync "$plain"; then syncing='file'; fi
    # A cp that keeps ACL, attributes and labels, and fails where it cannot.
    if cp --preserve=all "$self" "$plain/lock.$$.probe"; then copying='cp --preserve=all'; fi
    rm -f "$plain/lock.$$.probe"
}

# look PATH: what stands there; fails when nothing does.
look() {
    # shellcheck disable=SC2046 # its first words are numbers and letters, and names are not expanded (set -f)
    set -- $(ls -lnid "$1")
    [ $# -ge 6 ] || return 1
    inode=$1 letters=${2%[.+@]} links=$3 uid=$4 gid=$5 marked=$2
}

# try WHY COMMAND...: on failure $why says what failed, with the last line that the command printed.
try() {
    why=$1
    shift
    said=$("$@" 2>&1 >/dev/null) && return 0
    why="$why${said:+: ${said##*"$lf"}}"
    return 1
}
fill() { cat "$1" >"$2"; }
refuse() { why=$1; return 1; }

# The lock is a name for a file that says who holds it: link(2) never replaces.
lock() {
    now
    born $$
    mine="$$ $boot $start"
    printf '%s\n' "$mine" >"$plain/lock.$$" || return 1
    tries=$1
    while ! ln "$plain/lock.$$" "$plain/lock"; do
        if read -r holder <"$plain/lock"; then
            # shellcheck disable=SC2086 # three words
            set -- $holder - - -
            if [ "$2" != "$boot" ] || ! born "$1" || [ "$start" != "$3" ]; then
                # Whoever held it has died. If another found that first, what is moved away is that one's: back with it.
                mv "$plain/lock" "$plain/lock.$$.dead" && read -r moved <"$plain/lock.$$.dead" && [ "$moved" != "$holder" ] && ln "$plain/lock.$$.dead" "$plain/lock"
                rm -f "$plain/lock.$$.dead"
                continue
            fi
        fi
        tries=$((tries - 1))
        if [ "$tries" -lt 0 ]; then
            rm -f "$plain/lock.$$"
            return 1
        fi
        sleep 1
    done
    rm -f "$plain/lock.$$"
}
unlock() {
    holder=
    read -r holder <"$plain/lock"
    [ "$holder" != "${mine-}" ] || rm -f "$plain/lock"
}

pending() { id=$(readlink "$plain/pending") && [ -n "$id" ] && e=$plain/journal/$id; }
settle() { rm -f "$plain/pending" && durable "$plain"; }
forget() {
    rm -rf "$plain/journal/$id"
    settle
}

# log WORD...: a line of the journal, on the disk when it returns.
log() {
    if [ -n "$(tail -c 1 "$e/log")" ]; then printf '\n' >>"$e/log"; fi
    printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%S.000Z)" "$*" >>"$e/log" && durable "$e/log" "$e" || refuse "the journal cannot be written"
}

# progress: where the entry is. A line cut short does not count.
progress() {
    at=empty begun='' applier=0 within=- since=0 limit=0 ofboot=- guardian='' born_then=- guardian_then=- own=unknown
    [ -f "$e/log" ] || return 0
    while read -r _ what a b c d f; do
        case $what in
            begin) at=applying applier=$a within=$b ofboot=$c since=$d limit=${f%% *} born_then=${f#* } ;;
            own) own=" $a $b $c $d $f" ;;
            stuck) at=stuck own=unknown ;;
            doing) begun="$a $begun" ;;
            guarded) guardian=$a guardian_then=$c ;;
            unconfirmed) at=unconfirmed ofboot=$a since=$b ;;
            finished | confirmed) at=applied ;;
            undoing | undone | putting-back | put-back) at=$what ;;
        esac
    done <"$e/log"
}

# left: seconds until the entry must be settled; of another boot none.
left() {
    now
    left=0
    case $at in applying) wait=$limit ;; *) wait=$within ;; esac
    [ "$boot" != "$ofboot" ] || [ "$wait" = - ] || left=$((since + wait - up))
}

