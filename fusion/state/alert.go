package state

import (
	"math"

	"github.com/guantong-net/guantong/fusion"
)

// maxStage is the last step of escalation: the parent site's.
const maxStage = 3

func (c *change) raiseAlert(a Alert) error {
	if a.ID.IsZero() {
		a.ID = c.cmd.ID
	}
	c.target = a.ID.String()
	if a.ID != c.cmd.ID {
		return bad("bad_id", "an alert's ID is its request ID")
	}
	if err := c.checkAlert(a); err != nil {
		return err
	}
	site, _, err := load[Site](c, tSite.key())
	if err != nil {
		return err
	}
	if a.Exercise == "" {
		a.Exercise = site.Exercise
	}
	if a.Raised <= 0 {
		a.Raised = c.at()
	}
	raised := Alert{ID: a.ID, Unit: a.Unit, By: c.cmd.By, Group: a.Group, Text: a.Text, Lat: a.Lat, Lon: a.Lon,
		State: AlertRaised, Raised: a.Raised, Exercise: a.Exercise}
	c.object = true
	if err := c.Set(tAlertTime.at(a.Raised, a.ID), present); err != nil {
		return err
	}
	if err := c.Set(tAlertOpen.ofID(a.ID), present); err != nil {
		return err
	}
	return c.saveAlert(raised)
}

func (c *change) checkAlert(a Alert) error {
	if ok, err := has(c, tUnit.of(a.Unit)); err != nil || !ok {
		return orRefuse(err, missing("unit_unknown", "no unit %s", a.Unit))
	}
	if a.Group != 0 {
		if ok, err := has(c, tGroup.of(a.Group)); err != nil || !ok {
			return orRefuse(err, missing("group_unknown", "no group %s", a.Group))
		}
	}
	if (a.Lat == nil) != (a.Lon == nil) || a.Lat != nil && !(math.Abs(*a.Lat) <= 90 && math.Abs(*a.Lon) <= 180) {
		return bad("bad_position", "a position is a latitude and a longitude in WGS 84 degrees")
	}
	if err := checkLabel("exercise", a.Exercise); err != nil {
		return err
	}
	return checkText(a.Text)
}

func (c *change) saveAlert(a Alert) error {
	if err := save(c, tAlert.ofID(a.ID), a); err != nil {
		return err
	}
	return c.emit("alert", a.ID.String(), a)
}

func (c *change) alert(id fusion.ID) (Alert, error) {
	c.target = id.String()
	a, there, err := load[Alert](c, tAlert.ofID(id))
	if err == nil && !there {
		err = missing("alert_unknown", "no alert %s", id)
	}
	return a, err
}

// ackAlert names the dispatcher who took the alert. Who comes second changes nothing.
func (c *change) ackAlert(x AlertChange) error {
	a, err := c.alert(x.ID)
	if err != nil || a.State != AlertRaised {
		return err
	}
	if x.Position != 0 {
		if _, err := c.position(x.Position); err != nil {
			return err
		}
	}
	a.State, a.AckedAt, a.AckedBy, a.AckedPos = AlertAcknowledged, c.at(), c.cmd.By, x.Position
	return c.saveAlert(a)
}

func (c *change) clearAlert(x AlertChange) error {
	a, err := c.alert(x.ID)
	if err != nil || a.State == AlertCleared {
		return err
	}
	a.State, a.ClearedAt, a.ClearedBy = AlertCleared, c.at(), c.cmd.By
	if err := c.Delete(tAlertOpen.ofID(a.ID)); err != nil {
		return err
	}
	return c.saveAlert(a)
}

// escalateAlert moves an alert that nobody took to a further stage.
func (c *change) escalateAlert(x AlertChange) error {
	a, err := c.alert(x.ID)
	if err != nil {
		return err
	}
	if x.Stage > maxStage {
		return bad("bad_stage", "an alert escalates to stage %d at most", maxStage)
	}
	if a.State != AlertRaised || x.Stage <= a.Stage {
		return nil
	}
	a.Stage = x.Stage
	return c.saveAlert(a)
}

func (c *change) dropAlert(a Alert) error {
	if err := c.deleteAll([]key{tAlert.ofID(a.ID), tAlertTime.at(a.Raised, a.ID), tAlertOpen.ofID(a.ID)}); err != nil {
		return err
	}
	if err := c.bury(a.ID); err != nil {
		return err
	}
	return c.gone("alert", a.ID.String())
}
