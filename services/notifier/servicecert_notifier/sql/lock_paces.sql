-- Workers give out reminders one after another.
lock table paces in exclusive mode
