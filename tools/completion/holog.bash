# bash completion for holog                                                   -*- shell-script -*-
#
# Verbs and options, files and directories, and the paths inside a store, which `holog ls` is asked
# for.

_holog_options() {
    case $1 in
        init) echo "--segment-size --extent-segment-size --inline-max --max-space-amp --json" ;;
        save) echo "--replace --parents --blob --message --if-seq --json" ;;
        load) echo "--output --range --raw --preview --at" ;;
        ls) echo "--long --recursive --null --prefix --after --limit --at --json" ;;
        delta) echo "--if-seq --balance --message --json" ;;
        rm) echo "--recursive --purge --forget --if-seq --message --json" ;;
        mkdir) echo "--parents --message --json" ;;
        mv | cp | ln | batch) echo "--replace --parents --message --json" ;;
        log) echo "--limit --before --json" ;;
        tag) echo "--force --list --delete --json" ;;
        rollback) echo "--steps --message --dry-run --json" ;;
        diff) echo "--ranges --json" ;;
        gc) echo "--keep --older --dry-run --json" ;;
        compact) echo "--all --purge --dry-run --json" ;;
        du) echo "--depth --json" ;;
        verify) echo "--quick --json" ;;
        repair) echo "--mode --dry-run --json" ;;
        stats) echo "--segments --map --codecs --output --json --prometheus" ;;
        serve) echo "--port --bind --path --writable --token --max-body --max-connections --verbose" ;;
        export) echo "--format --at --skip-unsupported --json" ;;
        import) echo "--replace --skip-damaged --skip-unsupported --check --message --json" ;;
        ome) echo "--check --at --json" ;;
        pyramid) echo "--levels --method --halve-z --axes --scale --unit --message --json" ;;
        bench) echo "--dir --seconds --json" ;;
        calibrate) echo "--sample --dry-run --json" ;;
        stat) echo "--at --json" ;;
        dump | config | info) echo "--json" ;;
    esac
}

_holog_verbs="init save load ls stat delta rm mkdir mv cp ln batch log tag diff rollback gc compact du verify repair dump config info \
calibrate stats serve export import ome pyramid bench help --help --version"

# Words that are no options, before the one being completed: the verb comes first.
_holog_operands() {
    local i word skip=""
    _holog_words=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $skip ]]; then
            skip=""
        elif [[ $word == -* ]]; then
            case $word in
                -m | -o | -n | -d | --message | --output | --limit | --depth | --range | --prefix | \
                    --at | --steps | --keep | --older | --delete | --after | --before | --if-seq | --mode | --dir | --seconds | --segment-size | \
                    --extent-segment-size | --inline-max | --max-space-amp | --port | --bind | --path | --token | \
                    --max-body | --max-connections | --format | --sample | --levels | --method | --axes | --scale | --unit) skip=1 ;;
            esac
        else
            _holog_words+=("$word")
        fi
    done
}

# Entries of the store whose paths begin with what has been typed.
_holog_paths() {
    local store=$1 typed=$2 dir="" line
    [[ $typed == */* ]] && dir=${typed%/*}
    while IFS= read -r line; do
        line=${dir:+$dir/}$line
        [[ $line == "$typed"* ]] && COMPREPLY+=("$(printf '%q' "$line")")
    done < <(holog ls --limit 1000 --prefix "${typed##*/}" -- "$store" "${dir:-/}" 2>/dev/null)
    compopt -o nospace 2>/dev/null
}

_holog_tags() {
    local line tags=""
    while read -r _ _ line; do
        tags+="$line "
    done < <(holog tag --list -- "$1" 2>/dev/null)
    [[ -n $1 ]] && _holog_list "$tags HEAD" "$2"
}

_holog_directories() {
    local line
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(compgen -d -- "$1")
    compopt -o filenames 2>/dev/null
}

_holog_files() {
    local line
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(compgen -f -- "$1")
    compopt -o filenames 2>/dev/null
}

_holog_list() {
    local line
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(compgen -W "$1" -- "$2")
}

_holog() {
    local typed=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local -a _holog_words
    COMPREPLY=()
    _holog_operands
    local verb=${_holog_words[0]-} count=${#_holog_words[@]}

    case $before in
        -o | --output | --token | --sample) _holog_files "$typed"; return ;;
        --dir) _holog_directories "$typed"; return ;;
        --mode) _holog_list "point-in-time salvage" "$typed"; return ;;
        --preview) _holog_list "2 4 8 16 32 64 128" "$typed"; return ;;
        --method) _holog_list "mean nearest mode" "$typed"; return ;;
        --path) _holog_paths "${_holog_words[1]-}" "$typed"; return ;;
        --bind) _holog_list "127.0.0.1 0.0.0.0 ::1" "$typed"; return ;;
        --at | --delete) _holog_tags "${_holog_words[1]-}" "$typed"; return ;;
    esac
    if ((count == 0)); then
        _holog_list "$_holog_verbs" "$typed"
    elif [[ $typed == -* ]]; then
        _holog_list "$(_holog_options "$verb") --help" "$typed"
    elif [[ $verb == help ]]; then
        _holog_list "$_holog_verbs" "$typed"
    elif [[ $verb == bench ]]; then
        _holog_list "disk sync commit commit16 async bulk get save load" "$typed"
    elif [[ $verb == dump ]]; then
        _holog_files "$typed"
    elif ((count == 1)); then
        _holog_directories "$typed"
    elif [[ $verb == delta && $count -eq 3 ]]; then
        _holog_list "insert update delete move" "$typed"
    elif [[ $verb == batch || ($verb == delta && $count -gt 3) || ($verb == save && $count -eq 3) ]]; then
        _holog_files "$typed"
    elif [[ $verb == tag || ($verb == diff && $count -lt 4) || ($verb == rollback && $count -eq 2 && " ${COMP_WORDS[*]} " != *" -n "*) ]]; then
        _holog_tags "${_holog_words[1]}" "$typed"
    else
        case $verb in
            save | load | ls | stat | delta | rm | mkdir | mv | cp | ln | log | du | \
                diff | rollback | ome | pyramid)
                _holog_paths "${_holog_words[1]}" "$typed" ;;
        esac
    fi
}

complete -F _holog holog
