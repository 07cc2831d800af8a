# What is asked for: apply, confirm, undo, putting right, and the guard.

# Each folder whose time is kept: its number in $which, its path in $w. Runs the rest of the words for each.
each_folder() {
    while read -r which encoded; do
        word "$encoded"
        "$@"
    done <"$e/folders"
}
note_time() { touch -r "$w" "$e/$1-$which"; }
# Ours as long as it still has the time that we left it with; one that was cut short left none.
ours() { [ -d "$w" ] && { [ ! -e "$e/left-$which" ] || { [ ! "$w" -nt "$e/left-$which" ] && [ ! "$e/left-$which" -nt "$w" ]; }; } && own="$own $which"; }
give_time() { case "$own " in *" $which "*) touch -r "$e/time-$which" "$w" ;; esac; }

# put_back FORCE: takes back what was begun, files first, then units in the order of the plan; says what could not be.
put_back() {
    progress
    units='' failed=''
    if [ "$own" = unknown ]; then
        # Asked once: what is put back changes these times, and this may be cut short.
        own=''
        each_folder ours
        log "own$own"
    fi
    for each in $begun; do
        step "$each"
        if [ "$kind" = unit ]; then
            units="$each $units"
        else
            back "$each" "$1" || { failed="$failed; $why" && say "because $each $why"; }
        fi
    done
    for each in $units; do
        back "$each" "$1" || { failed="$failed; $why" && say "because $each $why"; }
    done
    # A step that was not begun has left its file with a second name.
    for each in $(numbers); do
        case " $begun " in *" $each "*) ;; *) rm -f "$e/before-$each" ;; esac
    done
    if [ -n "$failed" ]; then
        log "stuck ${failed#; }"
        return 1
    fi
    unhook
    each_folder give_time
}
# return_all WHY STEP: put back after a failure, with the words for the other side.
return_all() {
    log "putting-back $1"
    if put_back -; then
        log put-back
        tidy
        settle
        say "put-back $id $2 $1"
    else
        say "stuck $id"
    fi
}
# What a settled entry does not need any more, and entries beyond the last thirty.
tidy() {
    for each in $(numbers); do rm -f "$e/after-$each"; done
    unhook
    set +f
    set -- "$plain"/journal/*
    set -f
    keeping=$e
    for e; do
        [ $# -gt 30 ] || break
        shift
        progress
        case $at in applied | undone | put-back) [ "$e" = "$keeping" ] || rm -rf "$e" ;; esac
    done
    e=$keeping
}
numbers() { while read -r kind number fields; do echo "$number"; done <"$e/order"; }

# At the start of the machine, before its network: who cannot reach a router any more pulls its plug. Only where the
# start is procd's (OpenWrt) or systemd's, and only as long as a change is not settled.
start_hook() {
    hook='' link=''
    case $self$state in *[!A-Za-z0-9/._-]*) return ;; esac
    if [ -f /etc/rc.common ] && [ -d /etc/rc.d ]; then
        hook=/etc/init.d/lotse-plain link=/etc/rc.d/S11lotse-plain target=../init.d/lotse-plain
        text="#!/bin/sh /etc/rc.common${lf}START=11${lf}start() { sh $self $state right; }"
    elif [ -d /run/systemd/system ] && [ -d /etc/systemd/system ]; then
        hook=/etc/systemd/system/lotse-plain.service link=/etc/systemd/system/sysinit.target.wants/lotse-plain.service target=../lotse-plain.service
        text="[Unit]${lf}Description=Puts back a change that nobody confirmed${lf}DefaultDependencies=no${lf}RequiresMountsFor=$state${lf}After=local-fs.target${lf}Before=network-pre.target${lf}${lf}[Service]${lf}Type=oneshot${lf}ExecStart=/bin/sh $self $state right"
    fi
}
hook() {
    [ -n "$hook" ] || return 0
    [ -d "${link%/*}" ] || { touch "$e/made-hook" && mkdir "${link%/*}"; }
    # The file does nothing by itself; the link, made in one step, is what counts.
    printf '%s\n' "$text" >"$hook" && chmod 755 "$hook" && ln -s "$target" "$link" && durable "$hook" "${hook%/*}" "${link%/*}" || refuse "the start of the machine cannot be told to put it back"
}
# Whose time the two folders had is noted first: this may be cut short between taking the hook out and giving the time back.
unhook() {
    start_hook
    [ -n "$hook" ] || return 0
    others=$own own=''
    if [ -e "$e/unhook" ]; then
        read -r own <"$e/unhook"
        own=" $own"
    elif [ -e "$hook" ]; then
        which=link w=${link%/*}
        ours
        which=hook w=${hook%/*}
        ours
        echo "$own" >"$e/unhook.new" && mv "$e/unhook.new" "$e/unhook"
    else
        own=$others
        return 0
    fi
    rm -f "$link" "$hook"
    [ ! -e "$e/made-hook" ] || [ ! -d "${link%/*}" ] || rmdir "${link%/*}"
    which=link w=${link%/*}
    give_time
    which=hook w=${hook%/*}
    give_time
    rm -f "$e/unhook"
    own=$others
}

start_guard() {
    shell=$(command -v sh)
    if ! { [ -d /run/systemd/system ] && systemd-run --quiet --collect --unit="lotse-guard-$id" -- "$shell" "$self" "$state" guard "$id" </dev/null >/dev/null 2>&1; }; then
        if command -v setsid >/dev/null; then
            setsid "$shell" "$self" "$state" guard "$id" </dev/null >/dev/null 2>&1 &
        else
            "$shell" "$self" "$state" guard "$id" </dev/null >/dev/null 2>&1 &
        fi
    fi
    tries=100
    while [ "$tries" -gt 0 ]; do
        progress
        [ -z "$guardian" ] || return 0
        # Not every sleep knows fractions.
        sleep 0.1 || sleep 1
        tries=$((tries - 1))
    done
    refuse "the process that would undo the change does not start"
}

apply() {
    within=$1 limit=$2
    rm -rf "$plain/new"
    mkdir "$plain/new" || { say "refused - the journal cannot be written"; return; }
    say ready
    read -r answer expected || answer=
    if [ "$answer" != go ] || ! sum "$plain/new/order" || [ "$h" != "$expected" ]; then
        rm -rf "$plain/new"
        say "refused - the order did not arrive"
        return
    fi
    day=$(date -u +%Y%m%d-%H%M%S) id=$day more=2
    while [ -e "$plain/journal/$id" ]; do id=$day-$more more=$((more + 1)); done
    e=$plain/journal/$id
    # The mark first: whatever follows is found again.
    if ! { ln -s "$id" "$plain/pending" && durable "$plain" && mv "$plain/new" "$e" && durable "$plain/journal"; }; then
        rm -rf "$plain/new"
        forget
        say "refused - the journal cannot be written"
        return
    fi
    all=$(numbers)
    for each in $all; do
        examine "$each" || { forget; say "refused $each $why"; return; }
    done
    start_hook
    [ -z "$hook" ] || printf '%s\n' "hook =${hook%/*}" "link =${link%/*}" >>"$e/folders"
    each_folder note_time time
    for each in $all; do
        keep "$each" || { forget; say "refused $each $why"; return; }
    done
    now
    born $$
    { set +f && durable "$e"/* "$e"; } && set -f && log "begin $$ $within $boot $up $limit $start" || { set -f; forget; say "refused - the journal cannot be brought to the disk"; return; }
    start_guard && hook || { return_all "$why" -; return; }
    for each in $all; do
        [ -z "$stop" ] || { return_all "somebody asked it to end" -; return; }
        log "doing $each" && act "$each" && log "done $each" || { return_all "$why" "$each"; return; }
    done
    each_folder note_time left
    for each in $all; do
        stands "$each"
        [ "$stands" = after ] || { return_all "afterwards something else stands there" "$each"; return; }
    done
    say 'done'
    answer='' words=''
    read -r answer words || answer=
    case $answer in
        keep) ;;
        back) return_all "$words" -; return ;;
        *) return_all "the connection was lost before the proof" -; return ;;
    esac
    [ -z "$words" ] || log "proof $words" || { return_all "$why" -; return; }
    if [ "$within" = - ]; then
        log finished || { return_all "$why" -; return; }
        tidy
        settle
    else
        now
        log "unconfirmed $boot $up" || { return_all "$why" -; return; }
    fi
    say "kept $id"
}

confirm() {
    if ! pending || { [ "$1" != - ] && [ "$1" != "$id" ]; }; then
        say nothing confirm
        return
    fi
    progress
    left
    case $at in
        unconfirmed) [ "$left" -gt 0 ] || { return_all "not confirmed in time" -; return; } ;;
        stuck) ;;
        *) say "interrupted $id"; return ;;
    esac
    log confirmed && tidy && settle && say "confirmed $id"
}

# undo ID|- FORCE|-
undo() {
    if pending; then
        [ "$1" = - ] || [ "$1" = "$id" ] || { say "pending $id"; return; }
    elif [ "$1" != - ]; then
        id=$1 e=$plain/journal/$1
        [ -d "$e" ] || { say "unknown $id"; return; }
    else
        id=
        set +f
        for e in "$plain"/journal/*; do
            progress
            [ "$at" != applied ] || id=${e##*/}
        done
        set -f
        [ -n "$id" ] || { say nothing undo; return; }
        e=$plain/journal/$id
    fi
    progress
    case $at in
        undone | put-back) say "already $id"; return ;;
        empty) say "unknown $id"; return ;;
    esac
    if [ "$2" != force ]; then
        changed=
        for each in $begun; do
            stands "$each"
            [ "$stands" != other ] || { changed=1; say "because $each somebody changed it since"; }
        done
        [ -z "$changed" ] || { say "changed $id"; return; }
    fi
    [ -L "$plain/pending" ] || { ln -s "$id" "$plain/pending" && durable "$plain"; } || { say "refused - the journal cannot be written"; return; }
    log undoing || { settle; say "refused - $why"; return; }
    finish_undo "$2"
}
finish_undo() {
    if put_back "$1"; then
        log undone
        tidy
        settle
        say "undone $id"
    else
        say "stuck $id"
    fi
}

# right: puts right what was interrupted.
right() {
    pending || return 0
    progress
    left
    case $at in
        empty) forget; say "righted $id begun" ;;
        applied | undone | put-back) tidy; settle ;;
        undoing) finish_undo -; say "righted $id undoing" ;;
        unconfirmed)
            if [ "$left" -le 0 ]; then
                return_all "not confirmed in time" -
                say "righted $id late"
            elif ! born "${guardian:-0}" || [ "$start" != "$guardian_then" ]; then
                start_guard || say "righted $id unguarded"
            fi
            ;;
        *) return_all interrupted -; say "righted $id interrupted" ;;
    esac
}

# guard ID: waits until the entry is settled; puts it back when nobody confirms in time, or the process that applies it
# has died, or hangs, perhaps because the change itself cut something off.
guard() {
    now
    born $$
    id=$1 e=$plain/journal/$1
    log "guarded $$ $boot $start" || return
    while [ "$(readlink "$plain/pending")" = "$id" ]; do
        progress
        left
        because=
        case $at in
            applying)
                if ! born "$applier" || [ "$start" != "$born_then" ]; then
                    because="the process that applied it has died"
                elif [ "$left" -le 0 ]; then
                    kill -9 "$applier"
                    sleep 1
                    because="it was not done in time"
                fi
                ;;
            unconfirmed) [ "$left" -gt 0 ] || because="not confirmed in time" ;;
            *) return ;;
        esac
        if [ -n "$because" ] && lock 2; then
            before=$at
            if pending && [ "$id" = "$1" ] && progress && [ "$at" = "$before" ]; then
                return_all "$because" -
            fi
            unlock
            return
        fi
        sleep 1
    done
}

mkdir -p "$plain/journal" || exit 1
tools
case $verb in
    guard) guard "$@" >/dev/null 2>&1 ;;
    apply | confirm | undo | right)
        if ! lock 3; then
            say busy
            exit
        fi
        set +f
        for each in "$plain"/lock.*; do born "${each##*.}" || rm -f "$each"; done
        set -f
        if [ "$verb" = apply ] && pending; then say "pending $id"; else "$verb" "$@"; fi
        unlock
        ;;
esac
