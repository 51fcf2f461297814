// The suite of rclone's sftp backend against the remote that -remote names; Debian's copy of this file skips it.
package sftp_test

import (
	"testing"

	"github.com/rclone/rclone/backend/sftp"
	"github.com/rclone/rclone/fstest/fstests"
)

func TestIntegration(t *testing.T) {
	fstests.Run(t, &fstests.Opt{NilObject: (*sftp.Object)(nil)})
}
