/* What systemd is told (Type=notify), sd_notify(3). Nothing happens without systemd. */
#ifndef LOOKUPD_NOTIFY_H
#define LOOKUPD_NOTIFY_H

/* state: "READY=1", "STOPPING=1" and the like. */
void notify_systemd(const char *state);

#endif
