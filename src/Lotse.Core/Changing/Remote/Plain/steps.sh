# The steps: how each stands, is done, and is taken back.

# step N: the fields of that step in $1.. of whoever calls `set -- $fields`; names in $file and $folder.
step() {
    while read -r kind number fields; do
        [ "$number" != "$1" ] || break
    done <"$e/order"
    # shellcheck disable=SC2086
    set -- $fields
    case $kind in
        edit | create | delete | attributes)
            word "$1"
            folder=$w
            word "$2"
            file=${folder%/}/$w
            temporary=${folder%/}/.lotse-$id-$number~
            ;;
        kernel)
            word "$1"
            file=$w
            ;;
    esac
}
is() { look "$file" && [ ! -L "$file" ] && [ -f "$file" ] && [ "$letters $uid $gid" = "$1 $2 $3" ] && sum "$file" && [ "$h" = "$4" ]; }
value() { v=$(cat "$file"); }

# stands N: before, after, other; of a change of attributes, which is not one step, also between.
stands() {
    step "$1"
    # shellcheck disable=SC2086
    set -- $fields
    stands=other
    case $kind in
        # folder name inode letters uid gid sum-before sum-after
        edit) if is "$4" "$5" "$6" "$7"; then stands=before; elif is "$4" "$5" "$6" "$8"; then stands=after; fi ;;
        # folder name letters uid gid sum mode missing-folder...
        create) if is "$3" "$4" "$5" "$6"; then stands=after; elif [ ! -e "$file" ] && [ ! -L "$file" ]; then stands=before; fi ;;
        # folder name inode letters uid gid sum
        delete) if is "$4" "$5" "$6" "$7"; then stands=before; elif [ ! -e "$file" ] && [ ! -L "$file" ]; then stands=after; fi ;;
        # folder name inode letters uid gid sum mode letters-after uid-after gid-after mode-after mode-between letters-between
        attributes)
            if is "$4" "$5" "$6" "$7"; then stands=before; elif is "$9" "${10}" "${11}" "$7"; then stands=after; elif is "${14}" "$5" "$6" "$7" || is "${14}" "${10}" "${11}" "$7"; then stands=between; fi
            ;;
        # path before after
        kernel)
            value
            word "$3"
            if [ "$v" = "$w" ]; then stands=after; fi
            word "$2"
            if [ "$v" = "$w" ]; then stands=before; fi
            ;;
        *) stands=after ;;
    esac
}

# examine N: refuses what could not be done or taken back. Changes nothing.
examine() {
    stands "$1"
    # shellcheck disable=SC2086
    set -- $fields
    case $kind in
        edit | delete | attributes)
            [ "$stands" = before ] && look "$file" && [ "$inode" = "$3" ] || { refuse "it is not the file that the plan was made for"; return; }
            [ "$links" = 1 ] || { refuse "it has $links hard links: replacing it would part it from its other names"; return; }
            ;;
        create | kernel) [ "$stands" = before ] || { refuse "it is not as it was when the plan was made"; return; } ;;
    esac
    if [ "$kind$copying" = 'editcp -p' ]; then
        case $marked in *[+.]) refuse "it carries an access control list or a security label, which no program there can keep"; return ;; esac
        [ ! -e /sys/fs/selinux/enforce ] || { refuse "it carries a security label, which no program there can keep"; return; }
        [ -z "$(getfattr -m - "$file")" ] || { refuse "it carries extended attributes, which no program there can keep"; return; }
    fi
    free
}
# free: nothing is where the new file is written.
free() {
    case $kind in
        edit | create) if [ -e "$temporary" ] || [ -L "$temporary" ]; then refuse "a file is in the way where the new one is written"; fi ;;
    esac
}

# keep N: the way back. The old file by a second name keeps all that it carries; a copy is for two file systems.
keep() {
    step "$1"
    case $kind in
        edit | delete)
            ln "$file" "$e/before-$1" && return
            # shellcheck disable=SC2086 # a command with its option
            try "its bytes cannot be kept" touch "$e/copied-$1" && try "its bytes cannot be kept" $copying "$file" "$e/before-$1" && try "its time cannot be kept" touch -r "$file" "$e/before-$1" || return
            # shellcheck disable=SC2086
            set -- "$1" $fields
            sum "$e/before-$1" && [ "$h" = "$8" ] && durable "$e/before-$1" || refuse "its bytes cannot be kept"
            ;;
    esac
}
# same N INODE: whether the file is still the one that was kept. Its number may have changed: giving an overlay's file
# a second name copies it up.
same() {
    if [ ! -e "$e/copied-$1" ]; then
        look "$e/before-$1" || return
        set -- "$1" "$inode"
    fi
    look "$file" && [ "$inode" = "$2" ]
}

limited() {
    seconds=$1
    shift
    "$@" </dev/null >"$e/said" 2>&1 &
    program=$!
    (
        while kill -0 "$program" && [ "$seconds" -gt 0 ]; do
            sleep 1
            seconds=$((seconds - 1))
        done
        [ "$seconds" -gt 0 ] || kill -9 "$program"
    ) >/dev/null 2>&1 </dev/null &
    # A signal cuts a wait short, and not the program.
    while :; do
        wait "$program"
        code=$?
        kill -0 "$program" || break
    done
    said=$(tail -n 1 "$e/said")
    rm -f "$e/said"
    [ "$code" = 0 ] || refuse "$1 ended with $code${said:+: $said}"
}

# command SECONDS COUNT WORD...: runs the first COUNT words. inverse: runs the rest.
run() {
    way=$1 seconds=$2 count=$3
    shift 3
    [ "$way" = forward ] || { shift "$count"; count=$#; }
    # Each word is taken from the front and its meaning put at the back; what is left in front is of the other command.
    for encoded; do
        shift
        [ "$count" -gt 0 ] || continue
        count=$((count - 1))
        word "$encoded"
        set -- "$@" "$w"
    done
    limited "$seconds" "$@"
}

unit() {
    word "$2"
    case $1 in
        reload-all) limited 120 systemctl daemon-reload ;;
        *) limited 120 systemctl "$1" -- "$w" ;;
    esac
}

# valid N: the program that reads such files looks at the new one first. One that refuses the old file as well says
# nothing about the change; one that is not there is not asked.
valid() {
    while read -r number check; do
        [ "$number" != "$1" ] || break
    done <"$e/checks"
    [ "$number" = "$1" ] || { number=$1; return 0; }
    checked "$temporary" || { [ "$kind" = edit ] && ! checked "$file"; }
}
checked() {
    candidate=$1
    set --
    # shellcheck disable=SC2086 # a list of words
    for encoded in $check; do
        word "$encoded"
        case $w in *'{}'*) w=${w%%'{}'*}$candidate${w#*'{}'} ;; esac
        set -- "$@" "$w"
    done
    ! command -v "$1" >/dev/null || limited 60 "$@"
}

# act N: does the step.
act() {
    stands "$1"
    number=$1
    case $kind in edit | create | delete | attributes | kernel) [ "$stands" = before ] && free || { refuse "somebody changed it at this moment"; return; } ;; esac
    # shellcheck disable=SC2086
    set -- $fields
    case $kind in
        edit)
            # shellcheck disable=SC2086
            try "it cannot be written" $copying "$file" "$temporary" && try "it cannot be written" fill "$e/after-$number" "$temporary" || return
            sum "$temporary" && [ "$h" = "$8" ] && look "$temporary" && [ "$letters $uid $gid" = "$4 $5 $6" ] || { refuse "owner, mode or content of the new file became others"; return; }
            try "it cannot be brought to the disk" durable "$temporary" && valid "$number" || return
            stands "$number"
            [ "$stands" = before ] && same "$number" "$3" || { refuse "somebody changed it at this moment"; return; }
            try "it cannot be replaced" mv -f "$temporary" "$file" && try "its folder cannot be brought to the disk" durable "$folder"
            ;;
        create)
            letters_wanted=$3 uid_wanted=$4 gid_wanted=$5 sum_wanted=$6 mode=$7
            shift 7
            for missing; do
                word "$missing"
                [ -d "$w" ] || try "its folder cannot be made" mkdir -m 755 "$w" && try "its folder cannot be brought to the disk" durable "${w%/*}/" || return
            done
            # O_EXCL, by the shell's own option.
            (set -C && : >"$temporary") || { refuse "a file cannot be made beside it"; return; }
            try "it cannot be written" fill "$e/after-$number" "$temporary" && try "its owner cannot be set" chown "$uid_wanted:$gid_wanted" "$temporary" && try "its mode cannot be set" chmod "$mode" "$temporary" || return
            sum "$temporary" && [ "$h" = "$sum_wanted" ] && look "$temporary" && [ "$letters $uid $gid" = "$letters_wanted $uid_wanted $gid_wanted" ] || { refuse "owner, mode or content of the new file became others"; return; }
            try "it cannot be brought to the disk" durable "$temporary" && valid "$number" || return
            if ln "$temporary" "$file"; then rm -f "$temporary"; else
                [ ! -e "$file" ] && [ ! -L "$file" ] && try "it cannot be made" mv "$temporary" "$file" || return
            fi
            try "its folder cannot be brought to the disk" durable "$folder"
            ;;
        delete) try "it cannot be deleted" rm "$file" && try "its folder cannot be brought to the disk" durable "$folder" ;;
        attributes) attributes "${13}" "${10}" "${11}" "${12}" && try "it cannot be brought to the disk" durable "$file" ;;
        kernel)
            word "$3"
            set_value "$w"
            ;;
        run) run forward "$@" ;;
        unit)
            word "$2"
            active=$(systemctl is-active -- "$w")
            printf '%s\n' "$active" >"$e/unit-$number"
            case $1$active in
                reload-all* | try-restart* | reloadactive) unit "$1" "$2" ;;
            esac
            ;;
    esac
}
# At no moment may more people read it than before or afterwards: first what both allow, then the owner, then the rest.
attributes() {
    try "its mode cannot be set" chmod "$1" "$file" && try "its owner cannot be set" chown "$2:$3" "$file" && try "its mode cannot be set" chmod "$4" "$file"
}
set_value() { (printf '%s\n' "$1" >"$file") || refuse "the kernel does not take $1"; }

# back N FORCE: takes the step back, whether it was done, begun, or not. May be repeated.
back() {
    force=$2
    stands "$1"
    number=$1
    # shellcheck disable=SC2086
    set -- $fields
    case $kind in edit | create) rm -f "$temporary" ;; esac
    case $kind in
        edit | create | delete | attributes | kernel)
            # The value of a kernel that was started anew is its own.
            if [ "$kind $stands" = 'kernel other' ]; then now; [ "$boot" = "$ofboot" ] || return 0; fi
            [ "$stands" != other ] || [ "$force" = force ] || { refuse "somebody changed it since"; return; }
            [ ! -d "$file" ] || { refuse "a directory stands there"; return; }
            ;;
    esac
    case $kind in
        edit | delete)
            if [ "$stands" = before ]; then rm -f "$e/before-$number"; else
                sum "$e/before-$number" && [ "$h" = "$7" ] || { refuse "the bytes before are not what they were"; return; }
                restore "$4" "$5" "$6" "$7"
            fi
            ;;
        create)
            [ "$stands" = before ] || try "it cannot be deleted" rm -f "$file" && try "its folder cannot be brought to the disk" durable_if "$folder" || return
            shift 7
            inner=
            for missing; do inner="$missing $inner"; done
            for missing in $inner; do
                word "$missing"
                rmdir "$w"
                durable_if "${w%/*}/"
            done
            ;;
        attributes) [ "$stands" = before ] || attributes "${13}" "$5" "$6" "$8" && try "it cannot be brought to the disk" durable "$file" ;;
        kernel)
            word "$2"
            [ "$stands" = before ] || set_value "$w"
            ;;
        run) run backward "$@" ;;
        unit)
            active=
            read -r active <"$e/unit-$number"
            word "$2"
            case $1$active in
                reload-all*) unit "$1" "$2" ;;
                reloadactive) [ "$(systemctl is-active -- "$w")" = active ] && unit reload "$2" || unit restart "$2" ;;
                try-restartactive) unit restart "$2" ;;
            esac
            ;;
    esac
}
durable_if() { [ ! -d "$1" ] || durable "$1"; }
# restore LETTERS UID GID SUM: one rename(2), whether what is kept is the old file or a copy of it.
restore() {
    if [ ! -e "$e/copied-$number" ]; then
        try "it cannot be put back" mv -f "$e/before-$number" "$file" || return
    else
        # shellcheck disable=SC2086
        try "it cannot be put back" $copying "$e/before-$number" "$temporary" && try "its time cannot be put back" touch -r "$e/before-$number" "$temporary" || return
        sum "$temporary" && [ "$h" = "$4" ] && look "$temporary" && [ "$letters $uid $gid" = "$1 $2 $3" ] || { rm -f "$temporary"; refuse "owner, mode or content would become others"; return; }
        try "it cannot be brought to the disk" durable "$temporary" && try "it cannot be put back" mv -f "$temporary" "$file" || return
    fi
    try "its folder cannot be brought to the disk" durable "$folder"
}

