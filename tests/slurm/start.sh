#!/bin/sh
# A SLURM of one node on this machine, on the loopback alone: controller, node daemon and munge.
#
#   tests/slurm/start.sh --install      installs Debian's packages (as root)
#   tests/slurm/start.sh FOLDER         starts it (as root), with all its files in FOLDER; then
#                                       SLURM_CONF=FOLDER/slurm.conf sbatch ...
#   tests/slurm/start.sh --stop FOLDER
set -eu
case "$1" in
--install)
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
    exit
    ;;
--stop)
    for daemon in slurmctld slurmd munged; do
        [ ! -s "$2/$daemon.pid" ] || kill "$(cat "$2/$daemon.pid")" || true
    done
    exit
    ;;
esac
folder=$1
node=$(hostname -s)
mkdir -p "$folder/state" "$folder/spool"
# munge refuses folders that others may write to, which those of tests lie in.
head -c 1024 /dev/urandom >"$folder/munge.key"
chmod 400 "$folder/munge.key"
munged --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
cat >"$folder/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=${SLURM_TEST_PORT:-16817}
SlurmdPort=$((${SLURM_TEST_PORT:-16817} + 1))
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=100000
SlurmdParameters=config_overrides
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
# More cores than there may be, so that jobs run side by side.
NodeName=$node NodeAddr=127.0.0.1 CPUs=5 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
END
export SLURM_CONF="$folder/slurm.conf"
slurmctld
slurmd
for _ in $(seq 100); do
    if [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; then
        exit
    fi
    sleep 0.5
done
echo "the node does not come up: $(tail -n 3 "$folder/slurmctld.log" "$folder/slurmd.log")" >&2
exit 1
