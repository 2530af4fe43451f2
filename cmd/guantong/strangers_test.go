package main

import (
	"fmt"
	"testing"
	"time"
)

func TestAStrangerIsAuditedOnceAMinuteAndManyFillNoMemory(t *testing.T) {
	var s strangers
	now := time.Unix(1_800_000_000, 0)
	if !s.news("a", "other_ca", now) || s.news("a", "other_ca", now.Add(time.Second)) || !s.news("a", "other_site", now) || !s.news("a", "other_ca", now.Add(time.Minute)) {
		t.Error("a stranger is audited too often, or never again")
	}
	noted := 0
	for i := range 10_000 {
		if s.news(fmt.Sprint(i), "other_ca", now.Add(time.Minute)) {
			noted++
		}
	}
	if noted > maxStrangers || len(s.last) > maxStrangers {
		t.Errorf("%d noted, %d remembered", noted, len(s.last))
	}
	if !s.news("b", "other_ca", now.Add(3*time.Minute)) {
		t.Error("nobody is audited any more")
	}
}
